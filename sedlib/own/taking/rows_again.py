"""Rows of a run taken a second time, where a folder has sketches of them alone.

Shapes: rows are ``[params]``. Units: as in sedlib.own.taking.taken_rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.errors import listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.row_folder import RowFolder
from sedlib.own.taking.run_losses import Tasks, permuted_stream
from sedlib.own.taking.run_states import States
from sedlib.own.taking.state_hashes import StateHashes, hashes_of
from sedlib.saved.saved_checkpoints import Checkpoints, SavedCheckpoint
from sedlib.terms.stream_names import LADDER, TOTAL_GRADIENT, UPDATE, gradient_of


@dataclass(frozen=True)
class RowsAgain:
    """Takes a row again from its checkpoint, of which any can be read at any time."""

    run: Checkpoints | States
    module: nn.Module
    folder: RowFolder
    tasks: Tasks
    nulls: Sequence[Tasks]

    @cached_property
    def _recorded(self) -> list[int]:
        """Steps of the folder: an update is the way from the one before."""
        return self.folder.steps

    def problem(self, stream: str, steps: Sequence[int]) -> str | None:
        """Why rows of these steps cannot be taken again; None where they can."""
        if stream.startswith(LADDER):
            return "only sketches of its rows are kept, and a row of the optimizer cannot be taken again"
        needed = {*steps, *(self._before(step) for step in steps if stream == UPDATE)}
        if missing := sorted(needed - {saved.step for saved in self._saved}):
            return (
                f"only sketches of its rows are kept, and steps {listed([f'{step:,}' for step in missing])} have no "
                "checkpoint from which to take them again"
            )
        return None

    def rows(self, stream: str, steps: Sequence[int]) -> Iterator[Float[Tensor, " params"]]:
        """Rows of a stream at some steps, one in memory at a time.

        Raises
        ------
        RowFolderError
            The checkpoint of a step is not the one of which the folder has rows.
        """
        return (self._row(stream, step) for step in steps)

    def _row(self, stream: str, step: int) -> Float[Tensor, " params"]:
        checkpoint = self._at(step)
        if stream == UPDATE:
            return checkpoint.theta - self._at(self._before(step)).theta
        if stream == TOTAL_GRADIENT:
            first, *others = self.tasks.rows(checkpoint).values()
            return sum(others, start=first)
        streams = {gradient_of(task): self.tasks.of(task) for task in self.tasks.losses}
        for number, null in enumerate(self.nulls):
            streams |= {permuted_stream(number, task): null.of(task) for task in null.losses}
        (row,) = streams[stream].rows(checkpoint).values()
        return row

    def _at(self, step: int) -> Checkpoint:
        saved = next(found for found in self._saved if found.step == step)
        checkpoint = Checkpoint(self.module, self.folder.layout, saved.state(self.module))
        StateHashes(self.folder.path).require_same(step, hashes_of(checkpoint))
        return checkpoint

    @property
    def _saved(self) -> Sequence[SavedCheckpoint]:
        return self.run if isinstance(self.run, Checkpoints) else ()

    def _before(self, step: int) -> int:
        return max((known for known in self._recorded if known < step), default=step)
