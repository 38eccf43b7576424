r"""Centroids of a network (Linear Centroids Hypothesis) and what is read off them.

The centroid of an input h on a score s is the gradient :math:`c(h) = \nabla_h s(h)`, flattened: the direction of
the locally linear piece of the network that h lies in. Source: Walker et al., arXiv 2604.11962.

Shapes: logits are ``[tasks, probes, classes]``, scores ``[tasks, probes]``, inputs ``[probes, ...]``
and centroids ``[tasks, probes, inputs]``, where inputs is the flattened size of one input.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

Scores = Callable[[Tensor], Tensor]
"""Maps inputs ``[probes, ...]`` to scores ``[tasks, probes]``, each input on its own."""


def centroids(scores: Scores, inputs: Float[Tensor, "probes ..."]) -> Float[Tensor, "tasks probes inputs"]:
    r"""Centroids :math:`c_o(x) = \nabla_h s_o(h(x))` of every task from one forward pass.

    ``scores`` must treat the inputs one by one (no batch norm). The result can be differentiated once more, in
    whatever ``scores`` closes over.

    Raises
    ------
    ValueError
        The scores are not of shape ``[tasks, probes]``.

    Examples
    --------
    >>> weights = torch.tensor([[1.0, 2.0], [0.0, 3.0]])  # a linear network's centroids are its weights
    >>> centroids(lambda inputs: weights @ inputs.T, torch.ones(1, 2)).tolist()
    [[[1.0, 2.0]], [[0.0, 3.0]]]
    """
    found, pull_back, *_ = torch.func.vjp(scores, inputs)
    if found.ndim != 2 or found.shape[1] != len(inputs):
        raise ValueError(f"the scores must be [tasks, {len(inputs)} probes], got {tuple(found.shape)}")
    select = torch.eye(len(found), dtype=found.dtype, device=found.device)
    return torch.stack([pull_back(task[:, None].expand_as(found).contiguous())[0].flatten(1) for task in select])


@dataclass(frozen=True)
class CentroidReadouts:
    """Numbers read off one task's centroids."""

    rank90: int
    """Smallest r whose top r singular values of the centred centroids hold 90 % of the squared spectrum."""
    pc1_share: float
    """Share of the squared spectrum in the first principal component."""
    alignment: float
    """Mean cosine between a centroid and the input it belongs to, cos(c(x), h(x))."""


def read_out(centroids: Float[Tensor, "probes inputs"], inputs: Float[Tensor, "probes inputs"]) -> CentroidReadouts:
    """Rank-90, PC-1 share and alignment of one task's centroids."""
    share = _spectrum(centroids).square()
    share = share / share.sum()
    rank90 = int((share.cumsum(0) < 0.9).sum()) + 1
    alignment = torch.cosine_similarity(centroids, inputs, dim=-1).mean()
    return CentroidReadouts(rank90, float(share[0]), float(alignment))


@dataclass(frozen=True)
class CentroidComparison:
    """How far two definitions of the centroid agree on the same probes."""

    row_cosine: float
    """Mean cosine between the two centroids of a probe."""
    top1_cosine: float
    """Absolute cosine between the first principal directions."""
    top3_cosine: float
    """Mean of the three principal cosines between the spans of the top three principal directions."""


def compare(first: Float[Tensor, "probes inputs"], second: Float[Tensor, "probes inputs"]) -> CentroidComparison:
    """Agreement of two sets of centroids of the same probes."""
    row_cosine = torch.cosine_similarity(first, second, dim=-1).mean()
    products = _principal_directions(first, 3) @ _principal_directions(second, 3).mT
    return CentroidComparison(
        float(row_cosine), float(products[0, 0].abs()), float(torch.linalg.svdvals(products).mean())
    )


def principal_components(centroids: Float[Tensor, "probes inputs"], count: int) -> Float64[Tensor, "probes count"]:
    """Scores of the probes on the top principal directions of the centred centroids; signs are arbitrary."""
    left, sizes, _ = torch.linalg.svd(_centred(centroids), full_matrices=False)
    return left[:, :count] * sizes[:count]


def _spectrum(centroids: Float[Tensor, "probes inputs"]) -> Float64[Tensor, " components"]:
    return torch.linalg.svdvals(_centred(centroids))


def _principal_directions(centroids: Float[Tensor, "probes inputs"], count: int) -> Float64[Tensor, "count inputs"]:
    return torch.linalg.svd(_centred(centroids), full_matrices=False)[2][:count]


def _centred(centroids: Float[Tensor, "probes inputs"]) -> Float64[Tensor, "probes inputs"]:
    """In float64 on the CPU, where the decomposition is deterministic."""
    return (centroids - centroids.mean(0)).double().cpu()
