r"""Rolling SVD bases of a row stream, from the band of its Gram matrix along the diagonal.

A stream is a ``[rows, params]`` matrix of row vectors (gradients, updates), one per checkpoint. The right singular
vectors of W consecutive rows A are :math:`v_i = A^\top u_i / \sigma_i` with :math:`A A^\top u_i = \sigma_i^2 u_i`,
and :math:`A A^\top` is a diagonal block of the stream's Gram matrix: every window of at most W rows, for any k, is an
eigenproblem of that size. Source of the bases: arXiv 2604.25143, equations 2 and 3.

The smaller a singular value, the further rounding turns its direction: ``RollingBases.error_bound`` bounds the
angle, by the rule of ``sedlib.base.precision``. A window with a direction that may be wrong by more than 0.1, the sine
of its angle, determines no basis: it is masked, with a reason, and the other windows are kept.

Shapes: rows are ``[rows, params]``, a band ``[rows, offsets]``, coefficients ``[windows, rank, window]``, singular
values ``[windows, window]``, directions ``[rank, params]``. Units: singular values and norms have those of the rows,
coefficients their inverse, directions and bounds none.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.finite import require_finite
from sedlib.base.long_rows.long_sums import block_of, column_blocks, require_finite_rows
from sedlib.base.long_rows.matrix_rows import Rows, require_rows
from sedlib.base.precision import determined, error_bound, shortfall
from sedlib.products import window_blocks

UNIT = 1e-4
"""How far the norm of a direction may be from 1, beside the bound on what rounded products do to the direction."""


@dataclass(frozen=True)
class RollingBases:
    """The basis of every whole window of a stream, as coefficients over the stream's rows.

    Examples
    --------
    >>> from sedlib.products import gram_band
    >>> rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> bases = rolling_bases(gram_band(rows, reach=1), window=2, rank=2)
    >>> bases.window, bases.determined.tolist(), (bases.error_bound < 0.1).tolist()
    (2, [False, True], [[True, False], [True, True]])
    >>> print(bases.reason(0))
    rows 0 to 1 determine 1 of rank = 2 directions, the others are rounding (singular values 1.4e+00, 0.0e+00); \
choose a smaller rank, or look for repeated or zero rows
    """

    window_end: Int64[Tensor, " windows"]
    """Last row of each window; its first is ``window_end - window + 1``."""
    coefficients: Float64[Tensor, "windows rank window"]
    """Row i times the window's rows is the unit direction :math:`v_i`; zero where the window determines no basis."""
    singular_values: Float64[Tensor, "windows window"]
    """All singular values of each window, descending."""
    rows: torch.dtype = torch.float32
    """The dtype that the rows were rounded to."""
    norms: Float64[Tensor, " windows"] | None = None
    """Frobenius norms of the windows' rows before their mean was taken out, if it was."""
    size: int | None = None
    """N, if it is known: with fewer parameters the bound is smaller."""

    @property
    def window(self) -> int:
        """W, the number of rows of a window."""
        return self.coefficients.shape[-1]

    @property
    def error_bound(self) -> Float64[Tensor, "windows rank"]:
        """Bound on the sine of the angle by which rounding turns each direction: ``sedlib.base.precision``."""
        bounds = error_bound(self.singular_values, self.rows, norm=self.norms, size=self.size)
        return bounds[:, : self.coefficients.shape[1]]

    @property
    def determined(self) -> Bool[Tensor, " windows"]:
        """Which windows have a basis; a window without a basis has coefficients of zero."""
        return self.coefficients.flatten(1).any(1)

    def reason(self, index: int) -> str | None:
        """Why window number ``index`` determines no basis; None if the window determines a basis."""
        end, rank = int(self.window_end[index]), self.coefficients.shape[1]
        named = f"rows {end - self.window + 1} to {end}"
        return shortfall(self.error_bound[index], self.singular_values[index, :rank], rank, named)


class UndeterminedBasisError(ValueError):
    """No window of a stream determines a basis of the wanted rank."""

    def __init__(self, first: int, last: int, problem: str) -> None:
        super().__init__(problem)
        self.first, self.last = first, last
        """First and last row of the first window."""


@checked()
def rolling_bases(
    band: Float64[Tensor, "rows offsets"],
    window: int,
    rank: int,
    rows: torch.dtype = torch.float32,
    norms: Float64[Tensor, " windows"] | None = None,
    size: int | None = None,
) -> RollingBases:
    """Top ``rank`` right singular vectors of every ``window`` consecutive rows.

    The sign of a singular vector is arbitrary; here its largest coefficient is positive.

    Parameters
    ----------
    band
        The band of the rows' Gram matrix, with a reach of at least ``window`` − 1.
    window, rank
        W and k.
    rows
        The dtype that the rows were rounded to when they were computed or stored, whatever they are read as: float32,
        float64, float16 or bfloat16. The bound on a direction's error follows from it.
    norms
        Frobenius norms of the windows' rows before their mean was taken out, if it was.
    size
        N: the bound on the error of rows in float64 depends on it.

    Raises
    ------
    ValueError
        The band is not finite, the stream is shorter than the window, the band does not reach over it, or rank exceeds
        window.
    UndeterminedBasisError
        No window determines ``rank`` directions. If some windows do, the other windows are masked.

    Examples
    --------
    >>> from sedlib.products import gram_band
    >>> rows = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    >>> rolling_bases(gram_band(rows, reach=1), window=2, rank=1).singular_values.tolist()
    [[3.0, 2.0], [2.0, 1.0]]
    """
    n_rows = band.shape[0]
    if not 1 <= rank <= window:
        raise ValueError(f"rank must be between 1 and window = {window}, got {rank}")
    if n_rows < window:
        raise ValueError(
            f"a window of {window} rows is longer than the stream of {n_rows} rows; "
            "choose a smaller window or a run with more checkpoints"
        )
    require_finite(band=band)
    eigenvalues, eigenvectors = torch.linalg.eigh(window_blocks(band, window))
    singular_values = eigenvalues.clamp(min=0).sqrt().flip(-1)
    left = eigenvectors.flip(-1)[..., :rank].mT
    largest_entry = left.gather(-1, left.abs().argmax(-1, keepdim=True))
    coefficients = left * largest_entry.sign() / singular_values[:, :rank, None]
    found = RollingBases(torch.arange(window - 1, n_rows), coefficients, singular_values, rows, norms, size)
    whole = determined(found.error_bound).all(1)
    if not whole.any():
        raise _undetermined(found)
    return replace(found, coefficients=coefficients.where(whole[:, None, None], 0.0))


@checked()
def directions(rows: Rows, bases: RollingBases, index: int) -> Float[Tensor, "rank params"]:
    r"""Unit directions of basis number ``index``: :math:`v_i = \sum_j C_{ij} a_j` over its window's rows.

    Memory: the result in float32, and a block of columns.

    Raises
    ------
    ValueError
        There is no such window, or the rows end before it; it determines no basis, a row of it is not finite, or the
        directions are not of norm 1: the bases are of other rows.

    Examples
    --------
    >>> from sedlib.products import gram_band
    >>> rows = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    >>> directions(rows, rolling_bases(gram_band(rows, reach=1), window=2, rank=1), index=1)
    tensor([[0., 1., 0.]])
    """
    require_rows(rows)
    count = len(bases.window_end)
    if not -count <= index < count:
        raise ValueError(f"index: expected one of {count} windows, 0 to {count - 1}, got {index}")
    if int(bases.window_end[index]) >= rows.shape[0]:
        raise ValueError(f"rows: expected at least {int(bases.window_end[index]) + 1}, got {rows.shape[0]} rows")
    if not bases.determined[index]:
        raise ValueError(f"basis {index}: {bases.reason(index) or 'its coefficients are zero'}")
    end = int(bases.window_end[index]) + 1
    window_rows, coefficients = slice(end - bases.window, end), bases.coefficients[index]
    found = torch.empty(len(coefficients), rows.shape[1])
    squares = torch.zeros(len(coefficients), dtype=torch.float64)
    for columns in column_blocks(rows.shape[1], bases.window):
        block = coefficients @ block_of(rows, (window_rows, columns)).double().cpu()
        found[:, columns] = block
        squares += block.square().sum(1)
    if not squares.isfinite().all():
        require_finite_rows(rows, range(window_rows.start, end))
    if ((squares.sqrt() - 1).abs() > UNIT + _of_products(bases)[index]).any():
        raise ValueError(
            f"directions of norms {squares.sqrt().tolist()}, not 1: the bases were computed from other rows"
        )
    return found


def _undetermined(bases: RollingBases) -> UndeterminedBasisError:
    last, problem = int(bases.window_end[0]), bases.reason(0)
    if (count := len(bases.window_end)) > 1:
        problem = f"none of {count} windows determines a basis; {problem}"
    return UndeterminedBasisError(last - bases.window + 1, last, str(problem))


def _of_products(bases: RollingBases) -> Float64[Tensor, "windows rank"]:
    """The bound from rounded products alone: a direction is made of the same rounded rows as its coefficients."""
    return replace(bases, rows=torch.float64).error_bound
