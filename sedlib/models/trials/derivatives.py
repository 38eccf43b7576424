r"""Whether what autograd gives is the derivative of what a network computes.

detach, no_grad and rounding inside, straight-through estimators, gradient reversal, hooks that change gradients and
backward passes written by hand give another vector, without an error.

Shapes: values are of any shape; what they are differentiated by is a vector ``[params]``.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from sedlib.base.randomness import generator

OTHER = (
    "look in the network for detach, no_grad, rounding, a straight-through estimator, a hook or a backward pass that "
    "gives another gradient"
)
LARGEST_STEP, SMALLEST_STEP = 0.01, 1e-4
"""Relative to the vector, and to the values. A staircase has its slope on average, and none in small steps."""
STEPS, SMALLER_STEPS = (1.0, 0.3), (0.1, 0.01)
"""Sizes of a difference's step: what kinks and curvature do to a slope shrinks with it, a false slope does not."""
SAME = 0.05
"""Relative difference of two slopes that are the same."""
CLEARER = 10
"""How much more than the differences from one another, and than rounding, the derivative must be off."""
UNITS = 10
"""Units in the last place of the values that rounding may change a difference by."""
Values = Callable[[Tensor, Callable[[Tensor], Any]], Any]
"""``values(x, finish)`` computes values at x, and gives ``finish(values)``, called where they may be computed again."""
Slopes = tuple[float, float]


def backward_error(values: Values, at: Float[Tensor, " params"]) -> Slopes | None:
    r"""Slopes by autograd's backward pass and by central differences where these two disagree; None where they agree.

    :math:`f` is the sum of ``values`` with random signs: :math:`\nabla f \cdot v` against
    :math:`[f(x + \eta v) - f(x - \eta v)] / 2\eta` at several steps :math:`\eta`, along the gradient and along
    the vector with random signs. Where the differences disagree too (kinks, jumps, rounding) nothing is said.

    Examples
    --------
    >>> at = torch.tensor([1.0, 2.0])
    >>> backward_error(lambda x, finish: finish(x.square()), at)
    >>> by_autograd, by_difference = backward_error(lambda x, finish: finish(x * x.detach()), at)
    >>> round(by_difference / by_autograd, 3)
    2.0
    """
    signed, gradient = _differentiated(values, at)
    return signed.first_error(at, gradient, lambda unit: float(gradient @ unit))


def forward_error(values: Values, at: Float[Tensor, " params"]) -> Slopes | None:
    """Slopes as in ``backward_error``, by forward mode; None too where that cannot differentiate, as jvp will say.

    Examples
    --------
    >>> at = torch.tensor([1.0, 2.0])
    >>> by_autograd, by_difference = forward_error(lambda x, finish: finish(x * x.detach()), at)
    >>> round(by_difference / by_autograd, 3)
    2.0
    """
    try:
        signed, gradient = _differentiated(values, at)
    except (RuntimeError, ValueError):  # such as sparse gradients, which forward mode has not
        signed, gradient = _Signed.of(values, values(at, Tensor.detach)), torch.zeros_like(at)

    def slope(unit: Tensor) -> float:
        with sdpa_kernel(SDPBackend.MATH):
            return float(
                (signed.signs * torch.func.jvp(lambda x: values(x, lambda found: found), (at,), (unit,))[1]).sum()
            )

    try:
        return signed.first_error(at, gradient, slope)
    except (RuntimeError, ValueError):  # also of what is written in place
        return None


def warn_of_slopes(name: str, slopes: Slopes) -> None:
    """Warn that rows of ``name`` follow autograd where a difference says something else."""
    warnings.warn(
        f"{name}: along one direction of the slots autograd gives the slope {slopes[0]:.4g}, a difference "
        f"{slopes[1]:.4g}: rows are what an optimizer gets, but no derivative; {OTHER}",
        stacklevel=4,
    )


def _differentiated(values: Values, at: Tensor) -> tuple["_Signed", Tensor]:
    leaf = at.clone().requires_grad_()

    def finish(found: Tensor) -> tuple[_Signed, Tensor]:
        signed = _Signed.of(values, found.detach())
        if not found.requires_grad:
            return signed, torch.zeros_like(at)
        (gradient,) = torch.autograd.grad((signed.signs * found).sum(), leaf, allow_unused=True)
        return signed, torch.zeros_like(at) if gradient is None else gradient

    return values(leaf, finish)


def _signs(like: Tensor) -> Tensor:
    return torch.randint(2, like.shape, generator=generator(0, "signs of a derivative")).to(like) * 2 - 1


@dataclass(frozen=True)
class _Signed:
    """The sum of some values with random signs."""

    values: Values
    signs: Tensor
    size: float
    """Of all values together: what the sum rounds to."""

    @classmethod
    def of(cls, values: Values, found: Tensor) -> "_Signed":
        return cls(values, _signs(found), float(found.abs().sum()))

    def first_error(self, at: Tensor, gradient: Tensor, slope: Callable[[Tensor], float]) -> Slopes | None:
        """The first error: along the gradient in large and in small steps, then along the vector with random signs."""
        for direction, share, is_flat in (
            (gradient, LARGEST_STEP, False),
            (gradient, SMALLEST_STEP, True),
            (_signs(at) * at, LARGEST_STEP, False),
        ):
            norm = direction.norm()
            if not (norm > 0 and norm.isfinite()):
                continue
            unit = direction / norm
            expected, step = slope(unit), share * float(at.norm()) or share
            if expected and self.size:
                step = min(step, share * self.size / abs(expected))
            found = (self._flat if is_flat else self._error)(at, unit, step, expected)
            if found is not None and found != expected:
                return expected, found
        return None

    def _flat(self, at: Tensor, unit: Tensor, step: float, expected: float) -> float | None:
        """Zero where the values do not change in any bit, although they should by more than rounding."""
        if not abs(expected) > CLEARER * self._rounding(at, STEPS[-1] * step):
            return None
        return None if any(self._difference(at, unit, size * step) for size in STEPS) else 0.0

    def _error(self, at: Tensor, unit: Tensor, step: float, expected: float) -> float | None:
        """The difference's slope, where it is clearly another one."""
        found: list[float] = []
        for sizes in (STEPS, SMALLER_STEPS):
            found += [float(self._difference(at, unit, size * step)) for size in sizes]
            off, spread = min(abs(one - expected) for one in found), max(found) - min(found)
            largest, rounding = max(abs(expected), *map(abs, found)), self._rounding(at, STEPS[-1] * step)
            if not (off > SAME * largest and off > CLEARER * max(spread, rounding)):  # so too where one is NaN
                return None
        return found[0]

    def _rounding(self, at: Tensor, step: float) -> float:
        return UNITS * torch.finfo(at.dtype).eps * self.size / step

    def _difference(self, at: Tensor, direction: Tensor, step: float) -> Tensor:
        with torch.no_grad():
            ahead, behind = (self.values(at + way * step * direction, Tensor.detach) for way in (1, -1))
        return (self.signs * (ahead - behind)).sum() / (2 * step)
