r"""Centroids of a network (Linear Centroids Hypothesis) and their readouts.

The centroid of an input h on a score s is the gradient :math:`c(h) = \nabla_h s(h)`, flattened: the direction of
the locally linear piece of the network that h lies in. Source: Walker et al., arXiv 2604.11962.

Shapes: logits are ``[tasks, probes, classes]``, scores ``[tasks, probes]``, inputs ``[probes, ...]``
and centroids ``[tasks, probes, inputs]``, where inputs is the flattened size of one input. Principal components are
``[probes, count]``, scores of the probes on the top ``count`` directions.

Units: centroids and their principal components are in the unit of the scores per unit of the inputs; cosines, shares
and ranks have none.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import wrong_kind
from sedlib.base.border.returned import require_scores
from sedlib.base.finite import require_finite
from sedlib.models.separation import require_separate
from sedlib.scores import Scores

LEAST_SPREAD = 1e-6
"""Length of the centred centroids relative to that of the centroids themselves: what is less is rounding in float32."""
SHORTEST = 1e-8
"""Vectors of less than this length have no cosine: PyTorch's takes them for longer than they are."""


def centroids(
    scores: Scores, inputs: Float[Tensor, "probes ..."], *, check: bool = True
) -> Float[Tensor, "tasks probes inputs"]:
    r"""Centroids :math:`c_o(x) = \nabla_h s_o(h(x))` of every task from one forward pass.

    ``scores`` must treat the inputs one by one: ``check`` tests this, and takes about three times as long. The result
    can be differentiated once more, by whatever ``scores`` closes over. For ``scores`` of a module use
    sedlib.CentroidFunction, which puts the module in eval mode and checks once.

    Raises
    ------
    ValueError
        The inputs are not of a floating-point dtype; the scores are not of shape ``[tasks, probes]``, do not depend on
        the inputs, are computed in 16 bits, or mix the probes; or the inputs or the centroids are not finite.

    Examples
    --------
    >>> weights = torch.tensor([[1.0, 2.0], [0.0, 3.0]])  # a linear network's centroids are its weights
    >>> centroids(lambda inputs: weights @ inputs.T, torch.ones(1, 2)).tolist()
    [[[1.0, 2.0]], [[0.0, 3.0]]]
    """
    _require_embedded(inputs)
    require_finite(inputs=inputs)
    found, pull_back, *_ = torch.func.vjp(lambda inputs: require_scores(scores(inputs), len(inputs)), inputs)
    require_finite(scores=found)
    select = torch.eye(len(found), dtype=found.dtype, device=found.device)
    gradients = [pull_back(task[:, None].expand_as(found).contiguous())[0].flatten(1) for task in select]
    result = torch.stack(gradients)
    require_finite(centroids=result)
    if check:
        if not result.any():
            _require_used(scores, inputs)
        require_separate(scores, inputs, result)
    return result


def _require_used(scores: Scores, inputs: Float[Tensor, "probes ..."]) -> None:
    """Refuse scores that never see the inputs; a head that starts at zero has zeros as centroids too, and passes."""
    leaf = inputs.detach().clone().requires_grad_()
    found = scores(leaf).sum()
    if not found.requires_grad or torch.autograd.grad(found, leaf, allow_unused=True)[0] is None:
        raise ValueError(
            "scores: do not depend on the inputs h; compute the scores from the argument h, without detach or no_grad"
        )


def _require_embedded(inputs: object) -> None:
    if not isinstance(inputs, Tensor):
        raise wrong_kind("inputs", "a tensor [probes, ...]", inputs, "torch.as_tensor makes one of an array")
    if not inputs.ndim or not len(inputs) or inputs.is_meta:
        raise ValueError(f"inputs: expected at least one probe [probes, ...] with values, got {_shape(inputs)}")
    if not inputs.is_floating_point() or inputs.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"inputs: expected embedded inputs in float32 or float64, by which a centroid is a gradient, got "
            f"{_shape(inputs)}; embed tokens first, and widen 16 bits"
        )


def _shape(tensor: Tensor) -> str:
    return f"{tensor.dtype} of shape {tuple(tensor.shape)}"


@dataclass(frozen=True)
class CentroidReadouts:
    """Numbers read off one task's centroids."""

    rank90: int
    """Smallest r whose top r singular values of the centred centroids hold 90 % of the squared spectrum."""
    pc1_share: float
    """Share of the squared spectrum in the first principal component."""
    alignment: float
    """Mean cosine between a centroid and the input it belongs to, cos(c(x), h(x))."""


@checked()
def read_out(centroids: Float[Tensor, "probes inputs"], inputs: Float[Tensor, "probes inputs"]) -> CentroidReadouts:
    """Rank-90, PC-1 share and alignment of one task's centroids.

    Raises
    ------
    ValueError
        The centroids are all equal, a single one included, or a centroid or an input has no direction or is not finite.

    Examples
    --------
    >>> centroids = torch.tensor([[4.0, 3.0], [-4.0, 3.0]])  # they differ in one direction
    >>> found = read_out(centroids, inputs=torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    >>> found.rank90, round(found.pc1_share, 6), round(found.alignment, 6)  # cosines 0.8 and 0.6
    (1, 1.0, 0.7)
    """
    sizes = torch.linalg.svdvals(_centred(centroids, "centroids"))
    share = sizes.square()
    share = share / share.sum()
    rank90 = int((share.cumsum(0) < 0.9).sum()) + 1
    return CentroidReadouts(rank90, float(share[0]), _mean_cosine(centroids, inputs, ("centroids", "inputs")))


@dataclass(frozen=True)
class CentroidComparison:
    """How far two definitions of the centroid agree on the same probes."""

    row_cosine: float
    """Mean cosine between the two centroids of a probe."""
    top1_cosine: float
    """Absolute cosine between the first principal directions."""
    top3_cosine: float
    """Mean of the three principal cosines between the spans of the top three principal directions."""


@checked()
def compare(first: Float[Tensor, "probes inputs"], second: Float[Tensor, "probes inputs"]) -> CentroidComparison:
    """Agreement of two sets of centroids of the same probes.

    Raises
    ------
    ValueError
        A set has fewer than three principal directions, or a centroid has no direction or is not finite.

    Examples
    --------
    >>> centroids = torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    >>> found = compare(centroids, -2 * centroids)  # opposite, in the same directions
    >>> round(found.row_cosine, 6), round(found.top1_cosine, 6), round(found.top3_cosine, 6)
    (-1.0, 1.0, 1.0)
    """
    axes = [_principal_directions(centroids, 3, name) for centroids, name in ((first, "first"), (second, "second"))]
    products = axes[0] @ axes[1].mT
    return CentroidComparison(
        _mean_cosine(first, second, ("first", "second")),
        float(products[0, 0].abs()),
        float(torch.linalg.svdvals(products).mean()),
    )


@checked()
def principal_components(centroids: Float[Tensor, "probes inputs"], count: int) -> Float64[Tensor, "probes count"]:
    """Scores of the probes on the top principal directions of the centred centroids; signs are arbitrary.

    Raises
    ------
    ValueError
        The centroids have fewer principal directions, or are not finite; or the count is less than 1.

    Examples
    --------
    >>> centroids = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 6.0]])  # −2, −1 and 3 from their mean
    >>> principal_components(centroids, count=1).abs().flatten().round(decimals=6).tolist()
    [2.0, 1.0, 3.0]
    """
    if count < 1:
        raise ValueError(f"count: expected at least one principal direction, got {count}")
    left, sizes, _ = torch.linalg.svd(_centred(centroids, "centroids"), full_matrices=False)
    _require_directions(sizes, count, "centroids")
    return left[:, :count] * sizes[:count]


def _principal_directions(
    centroids: Float[Tensor, "probes inputs"], count: int, name: str
) -> Float64[Tensor, "count inputs"]:
    _, sizes, directions = torch.linalg.svd(_centred(centroids, name), full_matrices=False)
    _require_directions(sizes, count, name)
    return directions[:count]


def _require_directions(sizes: Float64[Tensor, " components"], count: int, name: str) -> None:
    found = int((sizes > LEAST_SPREAD * sizes[0]).sum())
    if found < count:
        raise ValueError(f"{name}: vary in {found} directions, {count} are needed; choose more probes")


def _centred(centroids: Float[Tensor, "probes inputs"], name: str) -> Float64[Tensor, "probes inputs"]:
    """In float64 on the CPU, where the decomposition is deterministic."""
    require_finite(**{name: centroids})
    centred = (centroids - centroids.mean(0)).double().cpu()
    if not centred.isfinite().all():
        raise ValueError(f"{name}: values up to {float(centroids.abs().max()):.2g} are too large for their mean")
    if not centred.norm() > LEAST_SPREAD * centroids.double().norm().cpu():
        raise ValueError(f"{name}: the {len(centroids)} of them are all equal, so they have no principal direction")
    return centred


def _mean_cosine(
    first: Float[Tensor, "probes inputs"], second: Float[Tensor, "probes inputs"], names: tuple[str, str]
) -> float:
    for name, rows in zip(names, (first, second), strict=True):
        require_finite(**{name: rows})
        lengths = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float64)
        if len(short := (~((lengths > SHORTEST) & lengths.isfinite())).nonzero()):
            probe = int(short[0])
            raise ValueError(f"{name}: the one of probe {probe} has length {float(lengths[probe])} and no direction")
    return float(torch.cosine_similarity(first, second, dim=-1).mean())
