r"""Coupling of parameter directions to centroids.

Along a unit direction v at parameters θ, centroids respond by

.. math:: S(v) = \operatorname{mean}_x \lVert (\partial c_\theta(x) / \partial\theta)\, v \rVert^2

and the coupling ratio is :math:`R(v) = S(v) / \operatorname{median}_r S(r)` over Gaussian unit directions r. Note the
square. Source: arXiv 2604.25143, equations 5 and 6.

Shapes: θ and directions are ``[params]``; ``centroids_at`` maps θ to centroids ``[tasks, probes, inputs]``, so that
a response is ``[tasks]``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

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
        ε is not positive, or θ is zero, so that the step vanishes.

    Examples
    --------
    >>> response = central_difference(lambda theta: theta.square()[None, None], torch.tensor([3.0, 4.0]), epsilon=0.1)
    >>> response(torch.tensor([1.0, 0.0]))  # the square of 2 θ₁
    tensor([36.])
    """
    step = epsilon * theta.norm()
    if not step > 0:
        raise ValueError(f"the step ε‖θ‖ must be positive, got ε = {epsilon} and ‖θ‖ = {float(theta.norm())}")

    def response(direction: Float[Tensor, " params"]) -> Float[Tensor, " tasks"]:
        ahead, behind = centroids_at(theta + step * direction), centroids_at(theta - step * direction)
        return _mean_square((ahead - behind) / (2 * step))

    return response


def jvp(centroids_at: CentroidsAt, theta: Float[Tensor, " params"]) -> Response:
    """Exact response, ε → 0, by forward-over-reverse differentiation.

    >>> jvp(lambda theta: theta.pow(3)[None, None], torch.tensor([2.0, 1.0]))(torch.tensor([1.0, 0.0]))  # (3 θ₁²)²
    tensor([144.])
    """

    def response(direction: Float[Tensor, " params"]) -> Float[Tensor, " tasks"]:
        _, change, *_ = torch.func.jvp(centroids_at, (theta,), (direction,))
        return _mean_square(change)

    return response


def random_directions(count: int, size: int, generator: torch.Generator) -> Float[Tensor, "count params"]:
    """Gaussian unit directions, independent and uniform on the sphere; drawn on the CPU."""
    directions = torch.randn(count, size, generator=generator)
    return directions / directions.norm(dim=1, keepdim=True)


@dataclass(frozen=True)
class Baseline:
    """Response to random directions, per task."""

    median: Float[Tensor, " tasks"]
    mean: Float[Tensor, " tasks"]
    count: int
    """Number of random directions."""


def random_baseline(responses: Float[Tensor, "random tasks"]) -> Baseline:
    """Median and mean response of the random directions; of an even number, the median is the middle two's mean.

    Raises
    ------
    ValueError
        The median is zero or not finite for some task: its centroids do not depend on the parameters, or the
        response is lost in rounding.

    Examples
    --------
    >>> random_baseline(torch.tensor([[1.0], [2.0], [6.0]]))
    Baseline(median=tensor([2.]), mean=tensor([3.]), count=3)
    """
    median = responses.quantile(0.5, dim=0)
    if not (torch.isfinite(median) & (median > 0)).all():
        raise ValueError(f"the median random response must be positive for every task, got {median.tolist()}")
    return Baseline(median, responses.mean(0), len(responses))


def coupling_ratios(
    responses: Float[Tensor, "rank tasks"], baseline: Baseline
) -> tuple[Float[Tensor, "rank tasks"], Float[Tensor, " tasks"]]:
    r"""Ratios :math:`R_i = S(v_i) / \operatorname{median}_r S(r)` of a basis, and their mean :math:`\bar R`.

    >>> baseline = random_baseline(torch.tensor([[1.0], [2.0], [6.0]]))
    >>> ratios, mean = coupling_ratios(torch.tensor([[8.0], [4.0]]), baseline)
    >>> ratios.tolist(), mean.tolist()
    ([[4.0], [2.0]], [3.0])
    """
    ratios = responses / baseline.median
    return ratios, ratios.mean(0)


def _mean_square(change: Float[Tensor, "tasks probes inputs"]) -> Float[Tensor, " tasks"]:
    return change.square().sum(-1).mean(-1)
