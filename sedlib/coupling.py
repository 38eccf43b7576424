r"""Coupling of parameter directions to centroids.

Along a unit direction v at parameters θ, centroids respond by

.. math:: S(v) = \operatorname{mean}_x \lVert (\partial c_\theta(x) / \partial\theta)\, v \rVert^2

and the coupling ratio is :math:`R(v) = S(v) / \operatorname{median}_r S(r)` over Gaussian unit directions r. Note the
square. Source: arXiv 2604.25143, equations 5 and 6.

Shapes: θ and directions are ``[params]``; ``centroids_at`` maps θ to centroids ``[tasks, probes, inputs]``, so that
a response is ``[tasks]``. Responses of random directions are ``[random, tasks]``, those of a basis ``[rank, tasks]``.

Units: a response is in the squared unit of the centroids per squared unit of the parameters; a coupling ratio has none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import unreadable, wrong_kind
from sedlib.base.errors import in_one_line
from sedlib.base.finite import require_finite
from sedlib.base.long_rows.long_sums import norms
from sedlib.models.full_precision import full_precision
from sedlib.models.rounding_noise import LARGEST_SHARE, require_repeated, rounding_noise

CentroidsAt = Callable[[Tensor], Tensor]
"""Maps θ ``[params]`` to centroids; a sedlib.CentroidFunction knows the θ that it belongs to and its chunks."""
Response = Callable[[Tensor], Tensor]
"""Maps a direction ``[params]`` to a response ``[tasks]``."""

UNIT = 1e-3
"""How far the norm of a direction may be from 1: a response grows as the square of the norm."""


@checked("theta")
def central_difference(
    centroids_at: CentroidsAt,
    theta: Float[Tensor, " params"],
    epsilon: float,
    noise: Float[Tensor, " tasks"] | None = None,
) -> Response:
    r"""Response by a central difference.

    :math:`S(v) = \operatorname{mean}_x \lVert [c_{\theta+\eta v}(x) - c_{\theta-\eta v}(x)] / 2\eta \rVert^2` with
    :math:`\eta = \epsilon \lVert\theta\rVert`. A response that rounding may change by more than 1 % is refused:
    ``noise`` is the ``rounding_noise`` of ``centroids_at``, which is measured unless it is given.

    Raises
    ------
    ValueError
        ε is not positive, θ is zero, not finite or not the checkpoint's, two evaluations at θ differ, or the step is
        lost in its rounding. Called with a direction: it is not of norm 1, or not of θ's size; the response is not
        finite, or lost in rounding.

    Examples
    --------
    >>> response = central_difference(lambda theta: theta.square()[None, None], torch.tensor([3.0, 4.0]), epsilon=0.1)
    >>> response(torch.tensor([1.0, 0.0]))  # the square of 2 θ₁
    tensor([36.])
    """
    _require_theta(theta, centroids_at)
    epsilon = float(epsilon)
    step = epsilon * theta.norm()
    if not (step > 0 and step.isfinite()):
        raise ValueError(f"the step ε‖θ‖ must be positive, got ε = {epsilon} and ‖θ‖ = {float(theta.norm())}")
    if epsilon < (rounding := torch.finfo(theta.dtype).eps):
        raise ValueError(f"epsilon = {epsilon} is lost in the rounding of theta, {rounding:.1g}; choose a larger one")
    with full_precision():
        noise = rounding_noise(centroids_at, theta) if noise is None else noise

    def response(direction: Float[Tensor, " params"]) -> Float[Tensor, " tasks"]:
        direction = _unit(direction, theta)
        ahead, behind = theta + step * direction, theta - step * direction
        with full_precision():
            found = _mean_square(lambda at: (at(ahead) - at(behind)) / (2 * step), centroids_at)
        if noise.shape != found.shape:
            raise ValueError(f"noise: expected [tasks], {len(found)} of them, got shape {tuple(noise.shape)}")
        return _above_rounding(_finite_response(found), noise / (2 * step).square(), epsilon)

    return response


@checked("theta")
def jvp(centroids_at: CentroidsAt, theta: Float[Tensor, " params"], *, check: bool = True) -> Response:
    r"""Exact response, ε → 0, by forward-over-reverse differentiation.

    :math:`S(v) = \operatorname{mean}_x \lVert (\partial c_\theta(x) / \partial\theta)\, v \rVert^2`. PyTorch's fused
    attention has no forward derivative, and is replaced by its plain form. ``check`` evaluates twice at θ.

    Raises
    ------
    ValueError
        θ is not finite or not the checkpoint's, or two evaluations at θ differ. Called with a direction: it is not of
        norm 1, or not of θ's size; the response is not finite.

    Examples
    --------
    >>> jvp(lambda theta: theta.pow(3)[None, None], torch.tensor([2.0, 1.0]))(torch.tensor([1.0, 0.0]))  # (3 θ₁²)²
    tensor([144.])
    """
    _require_theta(theta, centroids_at)
    if why := getattr(centroids_at, "without_forward_mode", ""):
        raise ValueError(f"jvp: {why}")
    if check:
        with full_precision():
            require_repeated(centroids_at(theta), centroids_at(theta))

    def response(direction: Float[Tensor, " params"]) -> Float[Tensor, " tasks"]:
        direction = _unit(direction, theta)
        with full_precision(), sdpa_kernel(SDPBackend.MATH):
            try:
                found = _mean_square(lambda at: torch.func.jvp(at, (theta,), (direction,))[1], centroids_at)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                reason = in_one_line(str(error).partition("\n")[0].partition(". ")[0])
                raise ValueError(f"jvp: no derivative in forward mode ({reason}); take central_difference") from error
        return _finite_response(found)

    return response


@dataclass(frozen=True)
class Baseline:
    """Response to random directions, per task."""

    median: Float[Tensor, " tasks"]
    r""":math:`\operatorname{median}_r S(r)`, by which a coupling ratio is divided."""
    mean: Float[Tensor, " tasks"]
    r""":math:`\operatorname{mean}_r S(r)`."""
    count: int
    """Number of random directions."""


@checked()
def random_baseline(responses: Float[Tensor, "random tasks"]) -> Baseline:
    """Median and mean response of the random directions; of an even number, the median is the middle two's mean.

    Raises
    ------
    ValueError
        There is no response, or one is negative or not finite, or the median is zero for some task: its centroids do
        not depend on the parameters, or the response is lost in rounding.

    Examples
    --------
    >>> random_baseline(torch.tensor([[1.0], [2.0], [6.0]]))
    Baseline(median=tensor([2.]), mean=tensor([3.]), count=3)
    """
    if not responses.numel():
        raise ValueError("responses: a baseline needs at least one random direction and one task, got none")
    require_finite(responses=responses)
    if (responses < 0).any():
        raise ValueError(f"responses: a response is a mean square, and so not negative, got {float(responses.min())}")
    median, mean = responses.quantile(0.5, dim=0), responses.mean(0)
    _require_positive(median)
    require_finite(mean_response=mean)
    return Baseline(median, mean, len(responses))


@checked()
def coupling_ratios(
    responses: Float[Tensor, "rank tasks"], baseline: Baseline
) -> tuple[Float[Tensor, "rank tasks"], Float[Tensor, " tasks"]]:
    r"""Ratios :math:`R_i = S(v_i) / \operatorname{median}_r S(r)` of a basis, and their mean :math:`\bar R`.

    Raises
    ------
    ValueError
        There is no response, or one is negative or not finite, or a median is not positive, or so small that a ratio is
        not finite; or the responses are of other tasks than the baseline.

    Examples
    --------
    >>> baseline = random_baseline(torch.tensor([[1.0], [2.0], [6.0]]))  # of three directions and one task; median 2
    >>> ratios, mean = coupling_ratios(torch.tensor([[8.0], [4.0]]), baseline)
    >>> ratios.tolist(), mean.tolist()
    ([[4.0], [2.0]], [3.0])
    """
    if not len(responses):
        raise ValueError("responses: the ratios of a basis need at least one direction, got none")
    require_finite(responses=responses)
    if (responses < 0).any():
        raise ValueError(f"responses: a response is a mean square, and so not negative, got {float(responses.min())}")
    _require_positive(baseline.median)
    ratios = responses / baseline.median
    require_finite(ratios=ratios)
    return ratios, ratios.mean(0)


def _require_positive(median: Float[Tensor, " tasks"]) -> None:
    if not (torch.isfinite(median) & (median > 0)).all():
        raise ValueError(f"the median random response must be positive for every task, got {median.tolist()}")


def _require_theta(theta: Float[Tensor, " params"], centroids_at: CentroidsAt) -> None:
    require_finite(theta=theta)
    if theta.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"theta: expected float32 or float64, got {theta.dtype}; measure a float32 copy")
    own = getattr(centroids_at, "theta", None)
    if own is not None and not torch.equal(own, theta):
        raise ValueError(
            "theta: expected the slots of centroids_at's own checkpoint, got others: the rest of the network would "
            "belong to another step; make a sedlib.Checkpoint of each step"
        )


def _unit(direction: Float[Tensor, " params"], theta: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
    """The direction in θ's dtype."""
    if not isinstance(direction, Tensor):
        raise wrong_kind("direction", f"a tensor of shape {tuple(theta.shape)}", direction, "torch.as_tensor makes one")
    if (why := unreadable(direction)) or not direction.is_floating_point():
        raise ValueError(
            "direction: expected a dense tensor of real floating-point numbers, got one that is "
            f"{why or f'of {direction.dtype}'}"
        )
    if direction.shape != theta.shape or direction.device != theta.device:
        raise ValueError(
            f"direction: expected shape {tuple(theta.shape)} on {theta.device}, as theta has, got "
            f"{tuple(direction.shape)} on {direction.device}"
        )
    require_finite(direction=direction)
    norm = float(norms(direction[None])[0])
    if not abs(norm - 1) <= UNIT:
        raise ValueError(f"direction: expected norm 1, got {norm:.6g}; divide it by its norm")
    return direction.to(theta.dtype)


def _finite_response(response: Float[Tensor, " tasks"]) -> Float[Tensor, " tasks"]:
    if not response.isfinite().all():
        raise ValueError(f"the response of centroids_at to the direction is not finite, got {response.tolist()}")
    return response


def _above_rounding(
    response: Float[Tensor, " tasks"], rounding: Float[Tensor, " tasks"], epsilon: float
) -> Float[Tensor, " tasks"]:
    lost = (rounding > LARGEST_SHARE * response) & (response > 0)  # zero is a direction that moves no bit
    if lost.any():
        task = int(lost.nonzero()[0])
        raise ValueError(
            f"the response {float(response[task]):.2g} of task {task} is lost in rounding, which alone gives "
            f"{float(rounding[task]):.2g} at epsilon = {epsilon}; choose a larger epsilon, float64, or sedlib.jvp"
        )
    return response


def _mean_square(change: Callable[[CentroidsAt], Tensor], centroids_at: CentroidsAt) -> Float[Tensor, " tasks"]:
    """Mean over the probes of the squared length of ``change``, one chunk of probes in memory at a time."""
    chunks = getattr(centroids_at, "chunks", [(1.0, centroids_at)])
    means = [share * change(at).square().sum(-1).mean(-1) for share, at in chunks]
    return torch.stack(means).sum(0)
