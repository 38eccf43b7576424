r"""A row of N numbers as a seeded sketch of m, from which inner products of rows are estimated.

The count sketch adds each entry, with a random sign s, to one of m buckets: :math:`(Sg)_k = \sum_{i: h(i)=k} s_i g_i`.
Here :math:`h(i) = (i + r_c) \bmod m` with a random shift r of every chunk :math:`c = \lfloor i / m \rfloor` of m
entries, so that a chunk is added as it lies in memory, and no two entries of one chunk collide. Entries of different
chunks collide with probability 1/m, and that is all that the mean and the variance depend on:

.. math::
    \mathbb E\, Sa \cdot Sb = a \cdot b, \qquad
    \operatorname{Var} Sa \cdot Sb = \frac1m \Big( \lVert a \rVert^2 \lVert b \rVert^2 + (a \cdot b)^2
    - \sum_c \lVert a_c \rVert^2 \lVert b_c \rVert^2 + (a_c \cdot b_c)^2 \Big)

A dense projection by m random signs for each entry (Achlioptas 2003, doi:10.1016/S0022-0000(03)00025-4) has the same
leading terms at m times the cost; a sparse one with several signs (Kane and Nelson 2014, doi:10.1145/2559902) too, and
bounds on large errors that hold for any row; so has a Hadamard transform, at a cost of N log N and a copy of the row.

Source: Charikar, Chen and Farach-Colton 2002, doi:10.1007/3-540-45465-9_59; the variance, without chunks, is that of
Weinberger et al. 2009, arXiv 0902.2206. The shifted chunks are ours.

Shapes: a row is ``[params]``, several are ``[rows, params]``; a sketch of each is ``[sketch]``, ``[rows, sketch]``.
Units: a sketch has those of the row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64, Int8
from torch import Tensor

from sedlib.base.border.checked import checked, require_fields
from sedlib.base.finite import require_finite
from sedlib.base.randomness import generator

BLOCK = 2**17
"""Entries whose signs are drawn at a time: what stays in a core's cache."""
WORD, WORDS = 64, 4
"""Bits of a random number, and how many Philox gives for each value of its counter."""


@dataclass(frozen=True)
class CountSketch:
    """The linear map S of a seed, which no memory holds: signs and shifts are drawn again for each row.

    A sketch has the same bits with every number of threads and in blocks of any size: each bucket is a sum in float64,
    in the order of the entries. A row of at most ``buckets`` entries is moved and signed, and loses nothing.

    Raises
    ------
    ValueError
        The number of buckets is not positive. Called with a row: it is no dense tensor of real floating-point numbers,
        not finite, too large for a sum in float64, or starts before the first entry.

    Examples
    --------
    >>> sketch = CountSketch(buckets=3)
    >>> row = torch.tensor([3.0, 4.0, 0.0, 0.0, 0.0])
    >>> float(sketch(row).norm()), sketch(row).shape
    (5.0, torch.Size([3]))

    A process that holds a part of a row sketches its part; to rounding in float64, the sum is the sketch of the row:

    >>> bool((sketch(row[:2]) + sketch(row[2:], start=2) == sketch(row)).all())
    True
    """

    buckets: int
    """m. ``sedlib.sketch_errors`` gives the errors of m, ``sedlib.buckets_for`` the m of a wanted error."""
    seed: int = 0
    """Only sketches of one seed and one m can be compared."""

    def __post_init__(self) -> None:
        require_fields(self)
        if self.buckets < 1:
            raise ValueError(f"buckets: expected at least 1, got {self.buckets}")
        object.__setattr__(self, "buckets", int(self.buckets))  # columns are counted in it: NumPy's overflow

    @checked("rows")
    def __call__(self, rows: Float[Tensor, "*rows params"], start: int = 0) -> Float64[Tensor, "*rows sketch"]:
        """Sketch of a row or of each of several, or of their part from column ``start`` on."""
        if start < 0:
            raise ValueError(f"start: expected column 0 or later, got {start}")
        total = torch.zeros(*rows.shape[:-1], self.buckets, dtype=torch.float64, device=rows.device)
        stop = start + rows.shape[-1]
        for chunks in self._blocks(start, stop):
            origin, left, right = chunks.start * self.buckets, *self._within(chunks, start, stop)
            signs, shifts = self._drawn(chunks)
            signed = rows[..., left - start : right - start] * signs[left - origin : right - origin].to(rows.device)
            for chunk, shift in zip(chunks, shifts, strict=True):
                first, end = self._within(range(chunk, chunk + 1), start, stop)
                self._add(total, signed[..., first - left : end - left], (first + shift) % self.buckets)
        if not total.isfinite().all():
            require_finite(rows=rows)
            raise ValueError("rows: values so large that their sums are not finite")
        return total

    def _blocks(self, start: int, stop: int) -> Iterator[range]:
        """Numbers of the chunks of each block."""
        last, some = -(-stop // self.buckets), max(1, BLOCK // self.buckets)
        for first in range(start // self.buckets, last, some):
            yield range(first, min(first + some, last))

    def _within(self, chunks: range, start: int, stop: int) -> tuple[int, int]:
        """First column of some chunks and the one after their last, of those from ``start`` to ``stop``."""
        return max(start, chunks.start * self.buckets), min(stop, chunks.stop * self.buckets)

    def _drawn(self, chunks: range) -> tuple[Int8[Tensor, " columns"], list[int]]:
        """Signs of all columns of some chunks, and each chunk's shift; of a chunk they depend on its number alone."""
        counts = -(-(1 + -(-self.buckets // WORD)) // WORDS)  # of Philox's counter, for a chunk
        random = np.random.Philox(key=self._key, counter=chunks.start * counts)
        words = random.random_raw(len(chunks) * counts * WORDS).reshape(len(chunks), -1).astype("<u8", copy=False)
        bits = np.unpackbits(words[:, 1:].copy().view(np.uint8), axis=1, count=self.buckets, bitorder="little")
        return 1 - 2 * torch.from_numpy(bits).view(torch.int8).flatten(), (words[:, 0] % self.buckets).tolist()

    @cached_property
    def _key(self) -> int:
        return generator(self.seed, "count sketch").initial_seed()

    def _add(self, total: Tensor, piece: Tensor, place: int) -> None:
        """Add a piece of one chunk from bucket ``place`` on; what is past the last bucket goes on at the first."""
        fits = self.buckets - place
        total[..., place : place + piece.shape[-1]] += piece[..., :fits]
        if piece.shape[-1] > fits:
            total[..., : piece.shape[-1] - fits] += piece[..., fits:]
