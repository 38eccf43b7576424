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

from sedlib.base.finite import require_finite

CentroidsAt = Callable[[Tensor], Tensor]
Response = Callable[[Tensor], Tensor]
"""Maps a direction ``[params]`` to a response ``[tasks]``."""


def central_difference(centroids_at: CentroidsAt, theta: Float[Tensor, " params"], epsilon: float) -> Response:
    r"""Response by a central difference.

    :math:`S(v) = \operatorname{mean}_x \lVert [c_{\theta+\eta v}(x) - c_{\theta-\eta v}(x)] / 2\eta \rVert^2` with
    :math:`\eta = \epsilon \lVert\theta\rVert`.

    Raises
    ------
    ValueError
        ε is not positive, θ is zero or not finite, or the step is lost in its rounding. Called with a direction: the
        response is not finite.

    Examples
    --------
    >>> response = central_difference(lambda theta: theta.square()[None, None], torch.tensor([3.0, 4.0]), epsilon=0.1)
    >>> response(torch.tensor([1.0, 0.0]))  # the square of 2 θ₁
    tensor([36.])
    """
    require_finite(theta=theta)
    step = epsilon * theta.norm()
    if not (step > 0 and step.isfinite()):
        raise ValueError(f"the step ε‖θ‖ must be positive, got ε = {epsilon} and ‖θ‖ = {float(theta.norm())}")
    if epsilon < (rounding := torch.finfo(theta.dtype).eps):
        raise ValueError(f"epsilon = {epsilon} is lost in the rounding of theta, {rounding:.1g}; choose a larger one")

    def response(direction: Float[Tensor, " params"]) -> Float[Tensor, " tasks"]:
        ahead, behind = centroids_at(theta + step * direction), centroids_at(theta - step * direction)
        return _finite_response(_mean_square((ahead - behind) / (2 * step)), direction)

    return response


def jvp(centroids_at: CentroidsAt, theta: Float[Tensor, " params"]) -> Response:
    """Exact response, ε → 0, by forward-over-reverse differentiation.

    >>> jvp(lambda theta: theta.pow(3)[None, None], torch.tensor([2.0, 1.0]))(torch.tensor([1.0, 0.0]))  # (3 θ₁²)²
    tensor([144.])

    Raises
    ------
    ValueError
        θ is not finite. Called with a direction: the response is not finite.
    """
    require_finite(theta=theta)

    def response(direction: Float[Tensor, " params"]) -> Float[Tensor, " tasks"]:
        _, change, *_ = torch.func.jvp(centroids_at, (theta,), (direction,))
        return _finite_response(_mean_square(change), direction)

    return response


def random_directions(count: int, size: int, generator: torch.Generator) -> Float[Tensor, "count params"]:
    """Gaussian unit directions, independent and uniform on the sphere; drawn on the CPU.

    Raises
    ------
    ValueError
        The count or the size is less than 1.
    """
    if count < 1 or size < 1:
        raise ValueError(f"count and size of random directions must be at least 1, got {count} and {size}")
    directions = torch.randn(count, size, generator=generator)
    return directions / directions.norm(dim=1, keepdim=True)


@dataclass(frozen=True)
class Baseline:
    """Response to random directions, per task."""

    median: Float[Tensor, " tasks"]
    r""":math:`\operatorname{median}_r S(r)`, by which a coupling ratio is divided."""
    mean: Float[Tensor, " tasks"]
    r""":math:`\operatorname{mean}_r S(r)`."""
    count: int
    """Number of random directions."""


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
    if not len(responses):
        raise ValueError("responses: a baseline needs at least one random direction, got none")
    require_finite(responses=responses)
    if (responses < 0).any():
        raise ValueError(f"responses: a response is a mean square, and so not negative, got {float(responses.min())}")
    median, mean = responses.quantile(0.5, dim=0), responses.mean(0)
    _require_positive(median)
    require_finite(mean_response=mean)
    return Baseline(median, mean, len(responses))


def coupling_ratios(
    responses: Float[Tensor, "rank tasks"], baseline: Baseline
) -> tuple[Float[Tensor, "rank tasks"], Float[Tensor, " tasks"]]:
    r"""Ratios :math:`R_i = S(v_i) / \operatorname{median}_r S(r)` of a basis, and their mean :math:`\bar R`.

    Raises
    ------
    ValueError
        There is no response, or one is not finite, or a median is not positive, or so small that a ratio is not finite.

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
    _require_positive(baseline.median)
    ratios = responses / baseline.median
    require_finite(ratios=ratios)
    return ratios, ratios.mean(0)


def _require_positive(median: Float[Tensor, " tasks"]) -> None:
    if not (torch.isfinite(median) & (median > 0)).all():
        raise ValueError(f"the median random response must be positive for every task, got {median.tolist()}")


def _finite_response(response: Float[Tensor, " tasks"], direction: Float[Tensor, " params"]) -> Tensor:
    if not response.isfinite().all():
        require_finite(direction=direction)
        raise ValueError(f"the response of centroids_at to the direction is not finite, got {response.tolist()}")
    return response


def _mean_square(change: Float[Tensor, "tasks probes inputs"]) -> Float[Tensor, " tasks"]:
    return change.square().sum(-1).mean(-1)
