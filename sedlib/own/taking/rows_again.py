"""Rows of a run taken a second time, where a folder has sketches of them alone.

Shapes: rows are ``[params]``. Units: as in sedlib.own.taking.taken_rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.taking.run_losses import Tasks, permuted_stream
from sedlib.own.taking.run_states import RunStates
from sedlib.terms.stream_names import LADDER, TOTAL_GRADIENT, UPDATE, gradient_of
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class RowsAgain:
    """Takes a row again from its checkpoint, of which any can be read at any time."""

    run: RunStates
    layout: ParamLayout
    tasks: Tasks
    nulls: Sequence[Tasks]
    recorded: Sequence[int]
    """Steps of the folder: an update is the way from the one before."""

    def problem(self, stream: str, steps: Sequence[int]) -> str | None:
        """Why rows of these steps cannot be taken again; None where they can."""
        if stream.startswith(LADDER):
            return "only sketches of its rows are kept, and a row of the optimizer cannot be taken again"
        needed = {*steps, *(self._before(step) for step in steps if stream == UPDATE)}
        if missing := sorted(needed - {*self.run.any_time}):
            return (
                f"only sketches of its rows are kept, and steps {listed([f'{step:,}' for step in missing])} have no "
                "checkpoint from which to take them again"
            )
        return None

    def rows(self, stream: str, steps: Sequence[int]) -> Iterator[Float[Tensor, " params"]]:
        """Rows of a stream at some steps, one in memory at a time."""
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
        return Checkpoint(self.run.module, self.layout, self.run.at(step))

    def _before(self, step: int) -> int:
        return max((known for known in self.recorded if known < step), default=step)
