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
STEPS = (1.0, 0.3)
"""Sizes of the difference's step: their difference bounds what is not the derivative's fault."""
LARGEST_STEP, SMALLEST_STEP = 0.01, 1e-4
"""Relative to the vector, and to the values. A staircase has its slope on average, and none in small steps."""
SAME = 0.05
"""Relative difference of two slopes that are the same."""
CLEARER = 10
"""How much more than the two differences from one another, and than rounding, the derivative must be off."""
UNITS = 10
"""Units in the last place of the values that rounding may change a difference by."""
Values = Callable[[Tensor, Callable[[Tensor], Any]], Any]
"""``values(x, finish)`` computes values at x, and gives ``finish(values)``, called where they may be computed again."""
Slopes = tuple[float, float]


def backward_error(values: Values, at: Float[Tensor, " params"]) -> Slopes | None:
    r"""Slopes by autograd's backward pass and by central differences where these two disagree; None where they agree.

    :math:`f` is the sum of ``values`` with random signs: :math:`\nabla f \cdot v` against
    :math:`[f(x + \eta v) - f(x - \eta v)] / 2\eta` at two steps :math:`\eta`, along the gradient and along the
    vector with random signs. Where the two differences disagree too (kinks, jumps, rounding) nothing is said.

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
    """The same of autograd's forward mode; None too where ``values`` cannot be differentiated so, as jvp will say.

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
        return signed, torch.autograd.grad((signed.signs * found).sum(), leaf)[0]

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
        """Of the gradient, in large and small steps, and of the vector with random signs."""
        for direction, step in (
            (gradient, LARGEST_STEP),
            (gradient, SMALLEST_STEP),
            (_signs(at) * at, LARGEST_STEP),
        ):
            norm = direction.norm()
            if norm > 0 and norm.isfinite() and (off := self._error(at, direction / norm, slope, step)) is not None:
                return off
        return None

    def _error(self, at: Tensor, unit: Tensor, slope: Callable[[Tensor], float], share: float) -> Slopes | None:
        """The slope along a direction, and the difference's, where they disagree."""
        expected, step = slope(unit), share * float(at.norm()) or share
        if expected and self.size:
            step = min(step, share * self.size / abs(expected))
        with torch.no_grad():
            found = torch.stack([self._difference(at, unit, size * step) for size in STEPS])
        off, spread, mean = (found - expected).abs().min(), found.max() - found.min(), float(found.mean())
        rounding = UNITS * torch.finfo(at.dtype).eps * self.size / (min(STEPS) * step)
        is_clear = off > SAME * max(abs(expected), abs(mean)) and off > CLEARER * max(float(spread), rounding)
        return (expected, mean) if is_clear else None

    def _difference(self, at: Tensor, direction: Tensor, step: float) -> Tensor:
        ahead, behind = (self.values(at + way * step * direction, Tensor.detach) for way in (1, -1))
        return (self.signs * (ahead - behind)).sum() / (2 * step)
