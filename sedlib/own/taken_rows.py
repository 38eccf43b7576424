"""The first pass over a run: the rows of each checkpoint, into a folder.

Streams: ``gradient/<task>``; ``permuted/<number>/<task>``, the gradient on permuted targets; ``update`` from the second
checkpoint on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.errors import located
from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.gradients import task_gradients
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.row_folder import RowFolder
from sedlib.own.run_states import States, states_of
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.terms.stream_names import UPDATE, gradient_of
from sedlib.vectors import ParamLayout

TaskLoss = Callable[..., Any]
"""``loss(module, batch)``: a mean where there is one batch, a pair of a sum and its count where there are several."""


@dataclass(frozen=True)
class Tasks:
    """Losses by task, and the fixed batches on which rows are taken."""

    losses: Mapping[str, TaskLoss]
    batches: Sequence[Any]

    def rows(
        self, module: nn.Module, layout: ParamLayout, state: Mapping[str, Tensor], *, check: bool = False
    ) -> dict[str, Float[Tensor, " params"]]:
        """Gradient of each task's loss on the batches, at a checkpoint."""
        several = len(self.batches) > 1

        def losses(module: nn.Module, batch: Any = self.batches[0]) -> dict[str, Any]:
            return {task: loss(module, batch) for task, loss in self.losses.items()}

        return task_gradients(
            losses, module, layout, batches=self.batches if several else None, state=state, check=check
        )

    def changed(self, change: Callable[[Any], Any]) -> "Tasks":
        """The same losses on what ``change`` makes of each batch."""
        return Tasks(self.losses, [change(batch) for batch in self.batches])


PERMUTED = "permuted/"


def permuted_stream(number: int, task: str) -> str:
    """Name of the stream of a task's gradients on permuted targets."""
    return f"{PERMUTED}{number}/{task}"


@dataclass(frozen=True)
class Permutations:
    """How often targets are permuted, and how."""

    count: int
    seed: int
    permute: Callable[[Any, torch.Generator], Any]

    def of(self, tasks: Tasks) -> list[Tasks]:
        """The tasks on permuted targets, once for each draw: the same ones at every checkpoint."""
        draws = [generator(self.seed, f"permuted targets {number}") for number in range(self.count)]
        return [tasks.changed(lambda batch, draw=draw: self.permute(batch, draw)) for draw in draws]  # type: ignore[misc]


def take_rows(
    run: Checkpoints | States, module: nn.Module, tasks: Tasks, folder: RowFolder, permutations: Permutations
) -> None:
    """Write the rows of every checkpoint that the folder does not have yet."""
    known, permuted, before = set(folder.steps), permutations.of(tasks), None
    total = len(run) if isinstance(run, Checkpoints) else None
    for step, state in track(states_of(run, module), total, "rows", lambda found: f"step {found[0]:,}"):
        with located(f"step {step:,}"):
            theta = Checkpoint(module, folder.layout, state).theta
            if step not in known:
                found = tasks.rows(module, folder.layout, state, check=before is None)
                rows = {gradient_of(task): row for task, row in found.items()}
                for number, others in enumerate(permuted):
                    null = others.rows(module, folder.layout, state)
                    _require_changed(found, null)
                    rows |= {permuted_stream(number, task): row for task, row in null.items()}
                if before is not None:
                    rows[UPDATE] = theta - before
                folder.append(step, rows)
            before = theta


def _require_changed(rows: Mapping[str, Float[Tensor, " params"]], null: Mapping[str, Tensor]) -> None:
    if same := [task for task, row in rows.items() if torch.equal(row, null[task])]:
        raise ValueError(
            f"the gradient of task {same[0]!r} does not change when the targets of its batches are permuted: its loss "
            "takes targets from elsewhere; give permute=, a function of batch and generator, or permutations=0"
        )
