r"""Gram matrices of rows, bands along their diagonals, and blocks in these bands.

A stream is a ``[rows, params]`` matrix of row vectors (gradients, updates), one per checkpoint. A band of reach R holds
the products of each row with itself and the next R rows, ``band[i, j] = rows[i] · rows[i + j]`` and zero past the last
row: T (R + 1) numbers, at a cost that grows as T·R.

Shapes: rows are ``[rows, params]``, a Gram matrix ``[rows, rows]``, some of its rows ``[some, rows]``, a band
``[rows, offsets]``, blocks ``[windows, window, window]``. Units: products have those of the rows, squared.
Source: arXiv 2604.25143, for bases of windows; the band is ours.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.long_rows.long_sums import SUMMED, block_of, column_blocks, require_finite_rows
from sedlib.base.long_rows.matrix_rows import Rows, require_rows


def gram(rows: Rows, device: torch.device | str = "cpu") -> Float64[Tensor, "rows rows"]:
    """Gram matrix ``rows @ rows.T``, accumulated in float64 over blocks of columns.

    Memory: the result and about ``BLOCK_BYTES`` for a block of columns.

    Raises
    ------
    ValueError
        The rows are no matrix of real numbers that can be read, or one is not finite.

    Examples
    --------
    >>> gram(torch.tensor([[3.0, 4.0], [1.0, 0.0]])).tolist()
    [[25.0, 3.0], [3.0, 1.0]]
    """
    require_rows(rows)
    found = _products(rows, slice(0, rows.shape[0]), rows.shape[0], device)
    _require_finite_squares(rows, found.diagonal())
    return found


@checked()
def gram_band(rows: Rows, reach: int, device: torch.device | str = "cpu") -> Float64[Tensor, "rows offsets"]:
    """Band of the Gram matrix from the diagonal to ``reach`` places beside it, accumulated in float64.

    Memory: the result and about ``BLOCK_BYTES``.

    Raises
    ------
    ValueError
        The rows are no matrix of real numbers that can be read, or one is not finite.

    Examples
    --------
    >>> gram_band(torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]]), reach=1).tolist()
    [[25.0, 3.0], [1.0, 0.0], [4.0, 0.0]]
    """
    require_rows(rows)
    if reach < 0:
        raise ValueError(f"reach: expected 0 or more places beside the diagonal, got {reach}")
    n_rows = rows.shape[0]
    height = max(1, 2 * reach)  # of a block of rows: half as many again are read with it
    band = torch.zeros(n_rows, reach + 1, dtype=torch.float64, device=device)
    for start in range(0, n_rows, height):
        stop = min(start + height, n_rows)
        products = _products(rows, slice(start, min(stop + reach, n_rows)), stop - start, device)
        band[start:stop] = diagonals(products, reach)
    _require_finite_squares(rows, band[:, 0])
    return band


@checked()
def centred(gram: Float64[Tensor, "rows rows"]) -> Float64[Tensor, "rows rows"]:
    r"""Gram matrix of the rows less their mean: :math:`H G H` with :math:`H = I - \mathbf 1 \mathbf 1^\top / T`.

    Raises
    ------
    ValueError
        The matrix is not square.

    Examples
    --------
    >>> centred(gram(torch.tensor([[5.0], [7.0]]))).tolist()  # rows −1 and 1 about their mean
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    return gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()


@checked()
def diagonals(gram: Float64[Tensor, "some rows"], reach: int) -> Float64[Tensor, "some offsets"]:
    """The band in a Gram matrix, or in its first rows.

    Raises
    ------
    ValueError
        The reach is less than 0.

    Examples
    --------
    >>> diagonals(torch.tensor([[1.0, 2.0], [2.0, 5.0]], dtype=torch.float64), reach=1).tolist()
    [[1.0, 2.0], [5.0, 0.0]]
    """
    if reach < 0:
        raise ValueError(f"reach: expected 0 or more places beside the diagonal, got {reach}")
    n_some = gram.shape[0]
    beside = torch.arange(n_some, device=gram.device)[:, None] + torch.arange(reach + 1, device=gram.device)
    return torch.nn.functional.pad(gram, (0, reach + 1)).gather(1, beside)


@checked()
def window_blocks(
    band: Float64[Tensor, "rows offsets"], window: int, offset: int = 0
) -> Float64[Tensor, "windows window window"]:
    """Blocks of window m's rows against window m + offset's.

    Raises
    ------
    ValueError
        The band does not reach over them, or is none: a Gram matrix has products where a band has zeros.

    Examples
    --------
    >>> band = gram_band(torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]]), reach=1)
    >>> window_blocks(band, window=2).tolist()
    [[[25.0, 3.0], [3.0, 1.0]], [[1.0, 0.0], [0.0, 4.0]]]
    """
    n_rows, n_offsets = band.shape
    past = torch.arange(n_rows, device=band.device)[:, None] + torch.arange(n_offsets, device=band.device) >= n_rows
    if band[past].any():
        raise ValueError(
            "band: expected zeros past the last row, got products there; of a Gram matrix sedlib.products.diagonals "
            "gives the band"
        )
    if n_offsets < window + offset:
        raise ValueError(f"windows of {window} rows need a band of reach {window + offset - 1}, got {n_offsets - 1}")
    first, second = torch.arange(window)[:, None], torch.arange(window) + offset
    starts = torch.arange(n_rows - window - offset + 1)[:, None, None]
    return band[starts + torch.minimum(first, second), (first - second).abs()]


def _products(rows: Rows, read: slice, n_first: int, device: torch.device | str) -> Float64[Tensor, "first read"]:
    """Products of the first of the rows that are read with all of them."""
    height = read.stop - read.start
    total = torch.zeros(n_first, height, dtype=torch.float64, device=device)
    for start in range(0, rows.shape[1], SUMMED):
        some = torch.zeros_like(total)
        for columns in column_blocks(min(start + SUMMED, rows.shape[1]), height, start):
            block = block_of(rows, (read, columns)).to(device, torch.float64)
            some.addmm_(block[:n_first], block.T)
        total += some
    return total


def _require_finite_squares(rows: Rows, squares: Float64[Tensor, " rows"]) -> None:
    """Where they are finite, all products of the rows are."""
    found = (~squares.isfinite()).nonzero().flatten().tolist()
    require_finite_rows(rows, found)
    if found:
        raise ValueError(f"rows: row {found[0]} is so large that its square is not finite")
