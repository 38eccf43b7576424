"""The streams of a run whose rows are in a folder, each with the bases of its windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sedlib.bases import RollingBases, UndeterminedBasisError, directions, rolling_bases
from sedlib.own.row_folder import RowFolder, StreamOnDisk
from sedlib.own.step_file import DTYPES
from sedlib.own.taken_rows import PERMUTED, permuted_stream
from sedlib.products import gram_band
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, gradient_of


@dataclass(frozen=True)
class Summed:
    """The sum of several streams' rows, read in blocks; the streams have the same steps."""

    parts: list[StreamOnDisk]

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

    @property
    def is_null(self) -> bool:
        """Whether its rows are gradients on permuted targets."""
        return self.name.startswith(PERMUTED)

    def basis(self, step: int, window: int) -> Float[Tensor, "rank params"] | str | None:
        """Directions of the window that ends at a step; why it has none; None where no whole window ends there."""
        if step not in self.rows.steps or window not in self.bases:
            return None
        found = self.bases[window]
        if isinstance(found, str):
            return found
        index = self.rows.steps.index(step) - window + 1
        if index < 0:
            return None
        return found.reason(index) or directions(self.rows, found, index)


def run_streams(
    folder: RowFolder, tasks: Sequence[str], windows: Sequence[int], rank: int, permutations: int
) -> Iterator[RunStream]:
    """Every stream of the run: each task's gradient, their sum where there are several, updates, permuted targets."""
    gradients = {task: folder.stream(gradient_of(task)) for task in tasks}
    for task, rows in gradients.items():
        yield _stream(gradient_of(task), task, rows, folder, windows, rank)
    if len(tasks) > 1:
        yield _stream(TOTAL_GRADIENT, None, Summed(list(gradients.values())), folder, windows, rank)
    if len(folder.steps) > 1:
        yield _stream(UPDATE, None, folder.stream(UPDATE), folder, windows, rank)
    for number in range(permutations):
        for task in tasks:
            name = permuted_stream(number, task)
            yield _stream(name, task, folder.stream(name), folder, windows, rank)


def _stream(
    name: str, task: str | None, rows: StreamOnDisk | Summed, folder: RowFolder, windows: Sequence[int], rank: int
) -> RunStream:
    """Windows that are longer than the stream have no basis."""
    band = gram_band(rows, reach=max(windows) - 1)
    bases: dict[int, RollingBases | str] = {}
    for window in (window for window in windows if window <= rows.shape[0]):
        try:
            bases[window] = rolling_bases(band, window, min(rank, window), DTYPES[folder.dtype], size=rows.shape[1])
        except UndeterminedBasisError as error:
            bases[window] = str(error)
    return RunStream(name, task, rows, bases)
