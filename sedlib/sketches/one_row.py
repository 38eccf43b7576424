"""One row of a window, as it comes: refused by its number where it is none, and added to directions.

Shapes: a row is ``[params]``, directions are ``[rank, params]``. Units: directions have none.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.border.kinds import unreadable, wrong_kind
from sedlib.base.finite import require_finite


def require_row(row: object, number: int, size: int | None = None) -> None:
    """Refuse what is no finite real vector, of as many numbers as the row before it: a shorter one is broadcast.

    Raises
    ------
    ValueError
        It is none; the message has its ``number`` in the window.

    Examples
    --------
    >>> require_row(torch.zeros(1), 1, size=3)
    Traceback (most recent call last):
    ValueError: row 1 of the window: expected a dense tensor of real numbers, 3 as before, got ...
    """
    name = f"row {number} of the window"
    if not isinstance(row, Tensor):
        raise wrong_kind(name, "a tensor [params]", row, "torch.as_tensor makes one of an array")
    if (why := unreadable(row)) or row.is_complex() or row.ndim != 1 or size not in (None, len(row)):
        raise ValueError(
            f"{name}: expected a dense tensor of real numbers, {f'{size:,} as before' if size else '[params]'}, got "
            f"one that is {why or f'of {row.dtype} and shape {tuple(row.shape)}'}"
        )
    require_finite(**{name: row})


def add_row(directions: Float[Tensor, "rank params"], row: Tensor, coefficients: Sequence[float]) -> None:
    """Add a row times its coefficient to each direction.

    Where one of the two is too large or too small for float32 they are multiplied in float64: the product is not.

    Examples
    --------
    >>> directions = torch.zeros(1, 2)
    >>> add_row(directions, torch.tensor([1e100, 2e100], dtype=torch.float64), [1e-100])
    >>> directions
    tensor([[1., 2.]])
    """
    row = row.detach()
    for direction, coefficient in zip(directions, coefficients, strict=True):
        if row.dtype == torch.float64 or abs(coefficient) > torch.finfo(torch.float32).max:
            direction.add_((row.double() * coefficient).float())
        else:
            direction.add_(row.float(), alpha=coefficient)
