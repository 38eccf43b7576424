r"""Directions of a window whose rows come one at a time: computed again from its checkpoints, or read.

A direction :math:`v_i = \sum_j C_{ij} g_j` needs its window's W rows, but not at once: k vectors are enough.

Shapes: a row is ``[params]``, directions are ``[rank, params]``, sketches ``[rows, sketch]``. Units: directions have
none. Source: arXiv 2604.25143, equations 2 and 3.
"""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.long_rows.long_sums import block_of, column_blocks
from sedlib.base.long_rows.matrix_rows import Rows, require_rows
from sedlib.bases import UNIT, RollingBases
from sedlib.products import gram
from sedlib.sketches.one_row import add_row, require_row
from sedlib.sketches.sketch import CountSketch

SAME = 1e-3
"""How far the sketch of a row that was computed again may be from its first one, as a share of its norm."""


@checked()
def streamed_directions(rows: Iterable[Tensor], bases: RollingBases, index: int) -> Float[Tensor, "rank params"]:
    """Unit directions of basis number ``index`` from its window's rows, in order, of which one is in memory at a time.

    Memory: the result, and one row.

    Raises
    ------
    ValueError
        There is no such window, or it determines no basis; rows are more or fewer than the window's, no real vectors of
        one size, or not finite; or the directions are not of norm 1: the bases are of other rows.

    Examples
    --------
    >>> from sedlib.bases import rolling_bases
    >>> from sedlib.products import gram_band
    >>> rows = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    >>> streamed_directions(iter(rows[1:]), rolling_bases(gram_band(rows, reach=1), window=2, rank=1), index=1)
    tensor([[0., 1., 0.]])
    """
    found = _combined(rows, bases, index)
    norms = torch.linalg.vector_norm(found, dim=1, dtype=torch.float64).cpu()
    if not ((norms - 1).abs() <= UNIT + bases.error_bound[index]).all():
        raise ValueError(f"directions of norms {norms.tolist()}, not 1: the bases were computed from other rows")
    return found


@checked()
def sketched_directions(
    rows: Iterable[Tensor], sketch: CountSketch, sketches: Rows, bases: RollingBases, index: int, rank: int
) -> tuple[Float[Tensor, "rank params"], Float64[Tensor, " rank"]]:
    r"""Top ``rank`` directions and singular values of a window's true rows, from coefficients that a sketch gave.

    The coefficients :math:`\hat C` of all of the bases' directions make :math:`B = \hat C A` of the rows, one row at a
    time, and :math:`\hat\Sigma B B^\top \hat\Sigma` is the exact Gram matrix within the span of their left singular
    vectors: its top eigenvectors are taken (Rayleigh and Ritz). So directions are orthonormal, and what error is left
    comes from the singular values after those of the bases: make these of a few dimensions more than ``rank``
    (``kept`` of ``sketch_errors``). Each row is sketched again and held against its first sketch.

    Memory: as many vectors as the bases have dimensions, and one row.

    Source: Halko, Martinsson and Tropp 2011, doi:10.1137/090771806, of projections with a few dimensions more.

    Parameters
    ----------
    rows
        The rows of window number ``index``, in order.
    sketch, sketches
        The map, and the sketches of all rows of the stream: ``[rows, sketch]``.
    bases
        The bases of ``gram_band(sketches, …)``.

    Raises
    ------
    ValueError
        A row is not the one that was sketched, or has no sketch of the map's size; rows are more or fewer than the
        window's, no real vectors of one size, or not finite; there is no such window, or it determines no basis, or one
        of fewer dimensions than ``rank``.

    Examples
    --------
    >>> from sedlib.bases import rolling_bases
    >>> from sedlib.products import gram_band
    >>> rows, sketch = torch.diag(torch.tensor([3.0, 2.0, 1.0])), CountSketch(buckets=2)
    >>> sketches = torch.stack([sketch(row) for row in rows])  # what is kept of the stream
    >>> bases = rolling_bases(gram_band(sketches, reach=1), window=2, rank=2)
    >>> sketched_directions(rows[:2], sketch, sketches, bases, index=0, rank=1)
    (tensor([[1., 0., 0.]]), tensor([3.], dtype=torch.float64))
    """
    if not 1 <= rank <= (kept := bases.coefficients.shape[1]):
        raise ValueError(f"rank must be between 1 and the bases' {kept}, got {rank}")
    _require_window(bases, index)
    last = int(bases.window_end[index])
    require_rows(sketches, "sketches")
    if sketches.shape[0] <= last or sketches.shape[1] != sketch.buckets:
        raise ValueError(
            f"sketches: expected those of at least {last + 1} rows, of {sketch.buckets} buckets each, got shape "
            f"{tuple(sketches.shape)}"
        )
    first = last - bases.window + 1
    found = _combined(_held_against(rows, sketch, sketches, first), bases, index)
    sizes = bases.singular_values[index, :kept]
    eigenvalues, vectors = torch.linalg.eigh(sizes[:, None] * gram(found, found.device).cpu() * sizes)
    singular_values = eigenvalues.flip(0)[:rank].sqrt()
    mixing = vectors.flip(1)[:, :rank].T * sizes / singular_values[:, None]
    coefficients = mixing @ bases.coefficients[index]
    mixing *= coefficients.gather(1, coefficients.abs().argmax(1, keepdim=True)).sign()  # as those of RollingBases
    for columns in column_blocks(found.shape[1], kept):
        found[:rank, columns] = (mixing.to(found.device) @ found[:, columns].double()).float()
    return found[:rank], singular_values


def _combined(rows: Iterable[Tensor], bases: RollingBases, index: int) -> Float[Tensor, "rank params"]:
    _require_window(bases, index)
    columns, found, count = bases.coefficients[index].T.tolist(), torch.empty(0), 0
    for count, row in enumerate(rows, start=1):
        if count > bases.window:
            break
        require_row(row, count - 1, found.shape[1] if count > 1 else None)
        if count == 1:
            found = torch.zeros(len(columns[0]), len(row), device=row.device)
        add_row(found, row, columns[count - 1])
    if count != bases.window:
        more = "more" if count > bases.window else str(count)
        raise ValueError(f"rows: expected the {bases.window} rows of window {index}, got {more}")
    return found


def _require_window(bases: RollingBases, index: int) -> None:
    if not 0 <= index < len(bases.window_end):
        raise ValueError(f"index: expected one of {len(bases.window_end)} windows, counted from 0, got {index}")
    if not bases.determined[index]:
        raise ValueError(f"basis {index}: {bases.reason(index) or 'its coefficients are zero'}")


def _held_against(rows: Iterable[Tensor], sketch: CountSketch, sketches: Rows, first: int) -> Iterator[Tensor]:
    for number, row in enumerate(rows, start=first):
        if number < sketches.shape[0]:  # past the window's last row the count is refused
            require_row(row, number - first)
            kept = block_of(sketches, (slice(number, number + 1), slice(None)))[0].double().cpu()
            again = sketch(row.detach()).cpu()
            if not (again - kept).norm() <= SAME * kept.norm():
                share = float((again - kept).norm() / kept.norm())
                raise ValueError(
                    f"row {number} is not the one that was sketched: its sketch differs by {share:.1g} of its norm, "
                    f"{SAME} at most is rounding; look at the checkpoint, the batch and the seed of the sketch"
                )
        yield row
