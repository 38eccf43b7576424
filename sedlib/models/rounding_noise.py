r"""What rounding does to centroids, so that a central difference is not taken for more than it is.

A difference over :math:`2\eta` turns a change of the centroids by rounding into a response of its square over
:math:`4\eta^2`. Shapes: as in sedlib.coupling.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.randomness import generator

LARGEST_SHARE = 0.01
"""Of a response: what rounding may add to it."""
UNITS = 32
"""Units in the last place by which θ is moved: enough to round all that follows anew, too few to be a response."""


def rounding_noise(
    centroids_at: Callable[[Tensor], Tensor], theta: Float[Tensor, " params"]
) -> Float[Tensor, " tasks"]:
    r"""Squared change that rounding may feign in a difference of two sets of centroids, a mean over the probes.

    :math:`\operatorname{mean}_x \lVert c_{\theta+e}(x) + c_{\theta-e}(x) - 2 c_\theta(x) \rVert^2 +
    \tfrac12 u^2 \lVert c_\theta(x) \rVert^2`, with e of 32 units in the last place of each parameter, random signs, and
    u the unit of the dtype: what is linear in e cancels, and the rounding of θ, and of all that is computed from it,
    stays, up to three times that of a difference. The second term is what the centroids themselves round to. The
    function is evaluated twice at θ.

    Raises
    ------
    ValueError
        The two evaluations differ, or are not of float32 or float64.

    Examples
    --------
    >>> float(rounding_noise(lambda theta: theta[None, None], torch.ones(1000))) < 1e-10
    True
    """
    found = centroids_at(theta)
    require_repeated(found, centroids_at(theta))
    signs = torch.randint(2, theta.shape, generator=generator(0, "rounding noise")).to(theta) * 2 - 1
    unit = torch.finfo(theta.dtype).eps
    moved = UNITS * unit * signs * theta
    second_difference = (centroids_at(theta + moved) - found) + (centroids_at(theta - moved) - found)
    return (second_difference.square() + 0.5 * (unit * found).square()).sum(-1).mean(-1)


def require_centroids(found: object) -> None:
    """Refuse what a function of θ gives, where it is not ``[tasks, probes, inputs]`` of real numbers.

    Raises
    ------
    ValueError
        It is not.

    Examples
    --------
    >>> require_centroids(torch.ones(3))
    Traceback (most recent call last):
    ValueError: centroids_at: expected [tasks, probes, inputs] of the function, got shape (3,)
    """
    if not isinstance(found, Tensor):
        raise wrong_kind("centroids_at", "a tensor [tasks, probes, inputs] of the function", found)
    if found.ndim != 3 or not found.numel():
        raise ValueError(
            f"centroids_at: expected [tasks, probes, inputs] of the function, got shape {tuple(found.shape)}"
        )
    if found.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"centroids_at: expected float32 or float64, got {found.dtype}; measure a float32 copy")


def require_repeated(first: Float[Tensor, "tasks probes inputs"], second: Float[Tensor, "tasks probes inputs"]) -> None:
    """Refuse two evaluations at one θ that differ in a bit, or are no centroids.

    Raises
    ------
    ValueError
        They do; the message says by how much.
    """
    require_centroids(first)
    if not torch.equal(first, second):
        off = float((first - second).norm() / first.norm())
        raise ValueError(
            f"centroids_at: two evaluations at the same theta differ by {off:.2g} of their norm; put the module in "
            "eval (dropout, batch norm), or take sedlib.Checkpoint, which does, and let nothing draw random numbers"
        )
