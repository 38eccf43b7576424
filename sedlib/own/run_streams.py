"""The streams of a run whose rows are in a folder, each with the bases of its windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from sedlib.base.errors import UserError, listed
from sedlib.bases import RollingBases, UndeterminedBasisError, directions, rolling_bases
from sedlib.own.row_folder import EVERY, RowFolder, StreamOnDisk
from sedlib.own.sketched_bases import WIDER, FoundBasis, SketchedBases
from sedlib.own.step_file import DTYPES
from sedlib.own.taking.rows_again import RowsAgain
from sedlib.own.taking.run_losses import PERMUTED, permuted_stream
from sedlib.products import gram_band
from sedlib.terms.stream_names import LADDER, TOTAL_GRADIENT, UPDATE, gradient_of


@dataclass(frozen=True)
class Summed:
    """The sum of several streams' rows, read in blocks; the streams have the same steps."""

    parts: list[StreamOnDisk]

    @classmethod
    def of(cls, streams: Sequence[StreamOnDisk]) -> "Summed":
        """The sum at the steps that all streams have."""
        common = set.intersection(*(set(stream.steps) for stream in streams))
        return cls([stream.at(common) for stream in streams])

    @property
    def steps(self) -> list[int]:
        """Those of each part."""
        return self.parts[0].steps

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and parameters."""
        return self.parts[0].shape

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns of two slices."""
        return np.sum([part[key] for part in self.parts], axis=0)


@dataclass(frozen=True)
class RunStream:
    """A stream, and what its bases are measured on."""

    name: str
    task: str | None
    """The task whose centroids it is measured on; every task's where there is none."""
    rows: StreamOnDisk | Summed
    bases: dict[int, RollingBases | str]
    """By the number of rows of a window; why there is none, where none of the windows determines one."""
    left_out: Mapping[int, str]
    """By step, why it has no row there."""
    sketched: SketchedBases | None = None
    """Where directions come from, if the rows are sketches."""

    @property
    def is_null(self) -> bool:
        """Whether its rows are gradients on permuted targets."""
        return self.name.startswith(PERMUTED)

    def basis(self, step: int, window: int) -> FoundBasis | str | None:
        """The basis of the window that ends at a step, or why the window has none; None where no whole window ends."""
        if window not in self.bases or step not in (steps := self.rows.steps):
            return self.left_out.get(step)
        found, index = self.bases[window], steps.index(step) - window + 1
        if index < 0:
            return None
        if isinstance(found, str) or (reason := found.reason(index)):
            return found if isinstance(found, str) else reason
        if self.sketched is None:
            return FoundBasis(directions(self.rows, found, index), float(found.error_bound[index].max()))
        return self.sketched.basis(self.name, steps[index : index + window], found, index)


def run_streams(
    folder: RowFolder, tasks: Sequence[str], windows: Sequence[int], rank: int, again: RowsAgain
) -> Iterator[RunStream]:
    """Every stream of the run: each task's gradient, their sum where there are several, updates, ladder, nulls.

    Raises
    ------
    UserError
        A task's gradient is finite nowhere.
    """
    making = _Making(folder, windows, rank, again, folder.left_out)
    recorded = {name for step in folder.steps for name in folder.names(step)}
    if lost := [task for task in tasks if gradient_of(task) not in recorded]:
        raise UserError(f"tasks: the gradient of {listed(lost)} is finite at no checkpoint; look at its loss")
    gradients = {task: folder.stream(gradient_of(task)) for task in tasks}
    for task, rows in gradients.items():
        yield making.stream(gradient_of(task), task, rows)
    total = Summed.of(list(gradients.values()))
    if len(tasks) > 1 and total.steps:
        yield making.stream(TOTAL_GRADIENT, None, total)
    for name in sorted(name for name in recorded if name.startswith((UPDATE, LADDER))):
        yield making.stream(name, None, folder.stream(name))
    for number in range(len(again.nulls)):
        for task in tasks:
            if (name := permuted_stream(number, task)) in recorded:
                yield making.stream(name, task, folder.stream(name))


@dataclass(frozen=True)
class _Making:
    """What bases of every stream are made of."""

    folder: RowFolder
    windows: Sequence[int]
    rank: int
    again: RowsAgain
    left_out: Mapping[int, Mapping[str, str]]

    def stream(self, name: str, task: str | None, rows: StreamOnDisk | Summed) -> RunStream:
        """Windows that are longer than the stream have no basis."""
        band = gram_band(rows, reach=max(self.windows) - 1)
        fitting = [window for window in self.windows if window <= rows.shape[0]]
        bases = {window: self._bases(band, window, self.rank) for window in fitting}
        sketched = None
        if self.folder.sketch:
            wide = {window: self._bases(band, window, WIDER * self.rank) for window in fitting}
            sketched = SketchedBases(self.folder.sketch, self.again, rows, wide)
        reasons = {step: given.get(name) or given.get(EVERY) for step, given in self.left_out.items()}
        return RunStream(name, task, rows, bases, {step: why for step, why in reasons.items() if why}, sketched)

    def _bases(self, band: Float64[Tensor, "rows offsets"], window: int, rank: int) -> RollingBases | str:
        try:
            return rolling_bases(
                band, window, min(rank, window), DTYPES[self.folder.dtype], size=self.folder.layout.size
            )
        except UndeterminedBasisError as error:
            return str(error)
