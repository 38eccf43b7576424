r"""Rolling SVD bases of a row stream, from the band of its Gram matrix along the diagonal.

A stream is a ``[rows, params]`` matrix of row vectors (gradients, updates), one per checkpoint. The right singular
vectors of W consecutive rows A are :math:`v_i = A^\top u_i / \sigma_i` with :math:`A A^\top u_i = \sigma_i^2 u_i`,
and :math:`A A^\top` is a diagonal block of the stream's Gram matrix: every window of at most W rows, for any k, is an
eigenproblem of that size. Source of the bases: arXiv 2604.25143, equations 2 and 3.

A band of reach R holds the products of each row with itself and the next R rows, ``band[i, j] = rows[i] · rows[i + j]``
and zero past the last row: T (R + 1) numbers, at a cost that grows as T·R.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sedlib.base.finite import require_finite
from sedlib.base.precision import determined, require_rank

BLOCK_BYTES = 2**25
UNIT = 1e-4
"""How far the norm of a direction may be from 1 …"""
ROUNDING = 1e-12
"""… beside this many times the square of the largest singular value over its own: what an eigenproblem rounds to."""


@runtime_checkable
class Rows(Protocol):
    """A matrix read in blocks: a NumPy array, or an HDF5 dataset that never is in memory whole."""

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        ...

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray: ...


@dataclass(frozen=True)
class RollingBases:
    """The basis of every whole window of a stream, as coefficients over the stream's rows."""

    window_end: Int64[Tensor, " windows"]
    """Last row of each window; its first is ``window_end - window + 1``."""
    coefficients: Float64[Tensor, "windows rank window"]
    """Row i times the window's rows is the unit direction :math:`v_i`."""
    singular_values: Float64[Tensor, "windows window"]
    """All of them, descending."""

    @property
    def window(self) -> int:
        """W, the number of rows of a window."""
        return self.coefficients.shape[-1]


class UndeterminedBasisError(ValueError):
    """A window's rows span fewer dimensions than its basis is asked to have."""

    def __init__(self, first: int, last: int, problem: str) -> None:
        super().__init__(problem)
        self.first, self.last = first, last
        """Its first and its last row."""


def gram(rows: Rows, device: torch.device | str = "cpu") -> Float64[Tensor, "rows rows"]:
    """Gram matrix ``rows @ rows.T``, accumulated in float64 over blocks of columns.

    Memory: the result and about ``BLOCK_BYTES`` for a block of columns.

    Raises
    ------
    ValueError
        A row is not finite.
    """
    result = torch.zeros(rows.shape[0], rows.shape[0], dtype=torch.float64, device=device)
    for columns in _column_blocks(rows):
        block = torch.from_numpy(np.asarray(rows[:, columns])).to(device, torch.float64)
        result.addmm_(block, block.T)
    _require_finite_squares(result.diagonal())
    return result


def gram_band(rows: Rows, reach: int, device: torch.device | str = "cpu") -> Float64[Tensor, "rows offsets"]:
    """Band of the Gram matrix from the diagonal to ``reach`` places beside it, accumulated in float64.

    Memory: the result and about ``BLOCK_BYTES``.

    Raises
    ------
    ValueError
        A row is not finite.
    """
    n_rows = rows.shape[0]
    height = max(1, 2 * reach)  # of a block of rows: half as many again are read with it
    band = torch.zeros(n_rows, reach + 1, dtype=torch.float64, device=device)
    for start in range(0, n_rows, height):
        stop = min(start + height, n_rows)
        read = slice(start, min(stop + reach, n_rows))
        products = torch.zeros(stop - start, read.stop - start, dtype=torch.float64, device=device)
        for columns in _column_blocks(rows, n_rows=read.stop - start):
            block = torch.from_numpy(np.asarray(rows[read, columns])).to(device, torch.float64)
            products.addmm_(block[: stop - start], block.T)
        band[start:stop] = diagonals(products, reach)
    _require_finite_squares(band[:, 0])
    return band


def centred(gram: Float64[Tensor, "rows rows"]) -> Float64[Tensor, "rows rows"]:
    r"""Gram matrix of the rows less their mean: :math:`H G H` with :math:`H = I - \mathbf 1 \mathbf 1^\top / T`."""
    return gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()


def diagonals(gram: Float64[Tensor, "some rows"], reach: int) -> Float64[Tensor, "some offsets"]:
    """The band in a Gram matrix, or in its first rows."""
    n_some = gram.shape[0]
    beside = torch.arange(n_some, device=gram.device)[:, None] + torch.arange(reach + 1, device=gram.device)
    return torch.nn.functional.pad(gram, (0, reach + 1)).gather(1, beside)


def rolling_bases(band: Float64[Tensor, "rows offsets"], window: int, rank: int) -> RollingBases:
    """Top ``rank`` right singular vectors of every ``window`` consecutive rows.

    The sign of a singular vector is arbitrary; here its largest coefficient is positive.

    Raises
    ------
    ValueError
        The band is not finite, the stream is shorter than the window, the band does not reach over it, or rank exceeds
        window.
    UndeterminedBasisError
        The rows of a window span fewer than ``rank`` dimensions.

    Examples
    --------
    >>> rows = np.diag([3.0, 2.0, 1.0])
    >>> rolling_bases(gram_band(rows, reach=1), window=2, rank=1).singular_values.tolist()
    [[3.0, 2.0], [2.0, 1.0]]
    """
    n_rows = band.shape[0]
    if not 1 <= rank <= window:
        raise ValueError(f"rank must be between 1 and window = {window}, got {rank}")
    if n_rows < window:
        raise ValueError(
            f"a window of {window} rows does not fit a stream of {n_rows}; "
            "choose a smaller window or a run with more checkpoints"
        )
    require_finite(band=band)
    blocks = _window_blocks(band, window)
    eigenvalues, eigenvectors = torch.linalg.eigh(blocks)
    singular_values = eigenvalues.clamp(min=0).sqrt().flip(-1)
    left = eigenvectors.flip(-1)[..., :rank].mT
    window_end = torch.arange(window - 1, n_rows)

    for index in (~determined(singular_values)[:, rank - 1]).nonzero().flatten().tolist():
        try:
            require_rank(singular_values[index], rank, f"rows {index} to {index + window - 1}")
        except ValueError as error:
            raise UndeterminedBasisError(index, index + window - 1, str(error)) from error
    largest_entry = left.gather(-1, left.abs().argmax(-1, keepdim=True))
    coefficients = left * largest_entry.sign() / singular_values[:, :rank, None]
    return RollingBases(window_end, coefficients, singular_values)


def directions(rows: Rows, bases: RollingBases, index: int) -> Float[Tensor, "rank params"]:
    r"""Unit directions of basis number ``index``: :math:`v_i = \sum_j C_{ij} a_j` over its window's rows.

    Raises
    ------
    ValueError
        A row of the window is not finite, or the directions are not of norm 1: the bases are of other rows.

    Examples
    --------
    >>> rows = np.diag([3.0, 2.0, 1.0])
    >>> directions(rows, rolling_bases(gram_band(rows, reach=1), window=2, rank=1), index=1)
    tensor([[0., 1., 0.]])
    """
    end = int(bases.window_end[index]) + 1
    window_rows = slice(end - bases.window, end)
    pieces = [
        bases.coefficients[index] @ torch.from_numpy(np.asarray(rows[window_rows, columns])).double()
        for columns in _column_blocks(rows, n_rows=bases.window)
    ]
    found = torch.cat(pieces, dim=1)
    require_finite(rows=found)
    norms, sizes = found.norm(dim=1), bases.singular_values[index]
    rounding = ROUNDING * (sizes[0] / sizes[: len(norms)]).square().to(norms)
    if ((norms - 1).abs() > UNIT + rounding).any():
        raise ValueError(f"directions of norms {norms.tolist()}, not 1: the bases were computed from other rows")
    return found.float()


@dataclass(frozen=True)
class SpectralGaps:
    """Three readings of a window's singular values, which the literature calls by one name."""

    k_star: Int64[Tensor, " windows"]
    r"""Position of the largest ratio: :math:`k^* = \arg\max_j \sigma_j / \sigma_{j+1}`, counted from 1."""
    ratio23: Float64[Tensor, " windows"]
    r""":math:`\sigma_2 / \sigma_3`."""
    g23: Float64[Tensor, " windows"]
    r""":math:`g_{23} = \sigma_2^2 - \sigma_3^2`, in squared units of the rows."""


def spectral_gaps(singular_values: Float64[Tensor, "windows window"]) -> SpectralGaps:
    """The gaps between descending singular values.

    Raises
    ------
    ValueError
        There are fewer than three singular values, they are not finite, or so small or large that a reading is not.

    Examples
    --------
    >>> gaps = spectral_gaps(torch.tensor([[8.0, 6.0, 2.0, 1.0]], dtype=torch.float64))
    >>> gaps.k_star.item(), gaps.ratio23.item(), gaps.g23.item()
    (2, 3.0, 32.0)
    """
    if singular_values.shape[-1] < 3:
        raise ValueError(f"gaps need a window of at least 3 rows, got {singular_values.shape[-1]}")
    require_finite(singular_values=singular_values)
    second, third = singular_values[:, 1], singular_values[:, 2]
    ratio23, g23 = second / third, second.square() - third.square()
    if len(found := (~(ratio23.isfinite() & g23.isfinite())).nonzero()):
        values = singular_values[int(found[0]), :3].tolist()
        raise ValueError(f"singular_values: window {int(found[0])} has no gap after its second one, got {values}")
    ratios = singular_values[:, :-1] / singular_values[:, 1:]
    ratios = ratios.nan_to_num(nan=0.0, posinf=torch.inf)  # 0/0 is no gap
    return SpectralGaps(ratios.argmax(-1) + 1, ratio23, g23)


def successive_overlaps(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> Float64[Tensor, " pairs"]:
    r"""Mean principal cosine between each basis and the next; 1: the same subspace, 0: orthogonal.

    :math:`V_m V_{m+1}^\top = C_m G_{m,m+1} C_{m+1}^\top`, where the block of the Gram matrix holds the rows of
    window m against those of window m + 1; its singular values are the cosines.

    Raises
    ------
    ValueError
        The band does not reach over window + 1 rows, or is not finite.
    """
    require_finite(band=band)
    blocks = _window_blocks(band, bases.window, offset=1)
    products = bases.coefficients[:-1] @ blocks @ bases.coefficients[1:].mT
    return torch.linalg.svdvals(products).mean(-1)


def orthonormality(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> Float64[Tensor, ""]:
    r"""How far the bases are from orthonormal ones, in what can be told of them.

    The largest entry of :math:`\sigma_i \sigma_j |C_m G_m C_m^\top - I|_{ij} / \sigma_1^2`: an eigenproblem rounds to a
    share ε of its largest eigenvalue, so that directions of small singular values are less orthonormal than others.

    Raises
    ------
    ValueError
        The band does not reach over the window's rows, or is not finite.

    Examples
    --------
    >>> band = gram_band(np.diag([3.0, 2.0, 1.0]), reach=1)
    >>> float(orthonormality(band, rolling_bases(band, window=2, rank=2)))
    0.0
    """
    require_finite(band=band)
    products = bases.coefficients @ _window_blocks(band, bases.window) @ bases.coefficients.mT
    rank = products.shape[-1]
    shares = bases.singular_values[:, :rank] / bases.singular_values[:, :1]
    return ((products - torch.eye(rank, dtype=products.dtype)) * shares[:, :, None] * shares[:, None]).abs().max()


def spectral_residual(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> Float64[Tensor, ""]:
    r"""How far the bases are from singular vectors, and the singular values from those of the windows.

    With :math:`u_i = \sigma_i C_i`, the largest of :math:`\|G_m u_i - \sigma_i^2 u_i\|` and of
    :math:`|\sigma_j^2 - \lambda_j(G_m)|`, as a share of :math:`\lambda_1(G_m)`.

    Raises
    ------
    ValueError
        The band does not reach over the window's rows, is not finite, or is that of a window without a direction.

    Examples
    --------
    >>> band = gram_band(np.diag([3.0, 2.0, 1.0]), reach=1)
    >>> float(spectral_residual(band, rolling_bases(band, window=2, rank=2)))
    0.0
    """
    require_finite(band=band)
    blocks = _window_blocks(band, bases.window)
    squares = bases.singular_values.square()
    eigenvalues = torch.linalg.eigvalsh(blocks).flip(-1)
    if len(found := (~(eigenvalues[:, 0] > 0)).nonzero()):
        raise ValueError(f"band: window {int(found[0])} has no direction, its rows are zero")
    rank = bases.coefficients.shape[1]
    left = bases.coefficients * bases.singular_values[:, :rank, None]
    residuals = (left @ blocks - squares[:, :rank, None] * left).norm(dim=-1)
    differences = torch.cat([residuals, (squares - eigenvalues).abs()], dim=-1)
    return (differences / eigenvalues[:, :1]).max()


def _window_blocks(
    band: Float64[Tensor, "rows offsets"], window: int, offset: int = 0
) -> Float64[Tensor, "windows window window"]:
    """Blocks of window m's rows against window m + offset's."""
    n_rows, n_offsets = band.shape
    if n_offsets < window + offset:
        raise ValueError(f"windows of {window} rows need a band of reach {window + offset - 1}, got {n_offsets - 1}")
    first, second = torch.arange(window)[:, None], torch.arange(window) + offset
    starts = torch.arange(n_rows - window - offset + 1)[:, None, None]
    return band[starts + torch.minimum(first, second), (first - second).abs()]


def _require_finite_squares(squares: Float64[Tensor, " rows"]) -> None:
    """Where they are finite, all products of the rows are."""
    if len(found := (~squares.isfinite()).nonzero()):
        raise ValueError(f"rows: row {int(found[0])} is not finite, or so large that its square is not")


def _column_blocks(rows: Rows, n_rows: int | None = None) -> Iterator[slice]:
    height = max(1, rows.shape[0] if n_rows is None else n_rows)
    width = max(1, BLOCK_BYTES // (8 * height))
    for start in range(0, rows.shape[1], width):
        yield slice(start, start + width)
