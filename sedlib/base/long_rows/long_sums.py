"""Rows read in blocks of columns, and sums over columns that are as right when they are long as when they are short.

Sums run over at most ``SUMMED`` terms, and the sums of more are added in float64. So errors stop growing there: one sum
of 1e8 float32 products would be off by a per cent.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sedlib.base.long_rows.matrix_rows import Rows

BLOCK_BYTES = 2**25
SUMMED = 2**19
"""Terms of one sum; more than any vector of the paper's networks has."""


def inner_products(
    first: Float[Tensor, "some params"], second: Float[Tensor, "*others params"], summed_in: torch.dtype
) -> Float64[Tensor, "some *others"]:
    """Products of rows in memory with a row or several, in sums of at most ``SUMMED`` terms of one dtype.

    >>> inner_products(torch.eye(3), torch.tensor([1.0, 2.0, 3.0]), torch.float32).tolist()
    [1.0, 2.0, 3.0]
    """
    width = SUMMED if first.dtype == summed_in else _width(len(first))
    total = torch.zeros(first.shape[:1] + second.shape[:-1], dtype=torch.float64, device=first.device)
    for start in range(0, first.shape[1], width):
        columns = slice(start, start + width)
        left, right = first[:, columns].to(summed_in), second[..., columns].to(summed_in)
        total += (left @ (right.T if right.ndim == 2 else right)).double()
    return total


def norms(rows: Float[Tensor, "some params"]) -> Float64[Tensor, " some"]:
    """Length of each row, in float64 without a copy of long rows.

    >>> norms(torch.tensor([[3.0, 4.0]])).tolist()
    [5.0]
    """
    if rows.shape[1] <= SUMMED:
        return torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for columns in column_blocks(rows.shape[1], len(rows)):
        squares += rows[:, columns].double().square_().sum(1)
    return squares.sqrt()


def block_of(rows: Rows, key: tuple[slice, slice]) -> Tensor:
    """The block in its own dtype.

    Raises
    ------
    ValueError
        Its numbers are not real.
    """
    block = rows[key]
    found = block if isinstance(block, Tensor) else torch.from_numpy(_native(np.asarray(block)))
    if found.is_complex():
        raise ValueError(f"rows: expected real numbers, got {found.dtype}; give real and imaginary parts as columns")
    return found.detach()


def _native(block: np.ndarray) -> np.ndarray:
    """The block in a byte order and layout that PyTorch reads: other machines' files and reversed rows differ."""
    if block.dtype.itemsize > 8:
        block = block.astype(np.float64)  # a long double
    return np.ascontiguousarray(block, block.dtype.newbyteorder("="))


def require_finite_rows(rows: Rows, numbers: Iterable[int]) -> None:
    """Refuse rows, given by their numbers, of which a value is NaN or infinite.

    Raises
    ------
    ValueError
        One is; the message names the row, the value and its column.
    """
    for row in numbers:
        for columns in column_blocks(rows.shape[1], 1):
            values = block_of(rows, (slice(row, row + 1), columns))[0]
            if len(places := (~values.isfinite()).nonzero()):
                place = int(places[0])
                at = f"row {row}, column {columns.start + place}"
                raise ValueError(f"rows: every value must be finite, got {float(values[place])} at {at}")


def column_blocks(n_columns: int, n_rows: int, start: int = 0) -> Iterator[slice]:
    """Blocks of columns, each of about ``BLOCK_BYTES`` in float64."""
    width = _width(n_rows)
    for left in range(start, n_columns, width):
        yield slice(left, min(left + width, n_columns))


def _width(n_rows: int) -> int:
    return max(1, BLOCK_BYTES // (8 * max(1, n_rows)))
