"""Bases of a run's windows whose rows are kept as sketches: their true rows are taken again, one at a time.

Shapes: directions are ``[rank, params]``, sketches ``[rows, sketch]``. Units: directions have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.long_rows.matrix_rows import Rows
from sedlib.bases import RollingBases
from sedlib.own.taking.rows_again import RowsAgain
from sedlib.sketches.sketch import CountSketch
from sedlib.sketches.sketch_precision import sketch_errors
from sedlib.sketches.streamed import sketched_directions

WIDER = 2
"""Vectors that are kept of a window's rows, for each direction that is wanted: the others correct these."""


@dataclass(frozen=True)
class FoundBasis:
    """Directions of a window, and how far they may be off."""

    directions: Float[Tensor, "rank params"]
    error: float
    """Sine of an angle: a bound where rows were rounded, a standard error where they were sketched."""


@dataclass(frozen=True)
class SketchedBases:
    """Where directions of one stream come from."""

    sketch: CountSketch
    again: RowsAgain
    sketches: Rows
    wide: Mapping[int, RollingBases | str]
    """By the number of rows of a window, bases of ``WIDER`` times the dimensions, or of as many as there are rows."""

    def basis(self, stream: str, steps: Sequence[int], found: RollingBases, index: int) -> FoundBasis | str:
        """The basis of a window whose rows are of these steps, or why it cannot be computed."""
        if problem := self.again.problem(stream, steps):
            return problem
        rank, wide = found.coefficients.shape[1], self.wide[found.window]
        if isinstance(wide, str) or wide.reason(index):
            wide = found
        rows = self.again.rows(stream, steps)
        top, _ = sketched_directions(rows, self.sketch, self.sketches, wide, index, rank)
        return FoundBasis(top, self._error(found, index, wide.coefficients.shape[1]))

    def _error(self, found: RollingBases, index: int, kept: int) -> float:
        values = found.singular_values[index : index + 1]
        values = torch.nn.functional.pad(values, (0, max(0, 3 - values.shape[1])))
        rank = found.coefficients.shape[1]
        return float(sketch_errors(values, self.sketch.buckets, rank, kept).subspace)
