"""What rows are gradients of: losses by task on fixed batches, and the same losses on permuted targets.

Shapes: a row is ``[params]``. Units: those of the loss per unit of the parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.border.kinds import kind
from sedlib.base.errors import UserError, in_one_line
from sedlib.base.randomness import generator
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.gradient_sums import gradient_sums

TaskLoss = Callable[..., Any]
"""``loss(module, batch)``: a mean where there is one batch, a pair of a sum and its count where there are several."""
PERMUTED = "permuted/"


def permuted_stream(number: int, task: str) -> str:
    """Name of the stream of a task's gradients on permuted targets."""
    return f"{PERMUTED}{number}/{task}"


@dataclass(frozen=True)
class Tasks:
    """Losses by task, and the fixed batches on which rows are taken."""

    losses: Mapping[str, TaskLoss]
    batches: Sequence[Any]
    is_null: bool = False
    """Whether the targets of the batches are permuted."""

    def rows(self, checkpoint: Checkpoint, *, check: bool = False) -> dict[str, Float[Tensor, " params"]]:
        """Gradient of each task's mean loss on the batches, at a checkpoint; it may be not finite.

        Raises
        ------
        ValueError
            As ``sedlib.task_gradients`` does, but for values that are not finite.
        """
        several = len(self.batches) > 1
        sums = gradient_sums(self._losses, checkpoint, self.batches if several else None, check=check)
        return {task: found.mean() for task, found in sums.items()}

    def _losses(self, module: Any, *batch: Any) -> dict[str, Any]:
        given = batch or (self.batches[0],)
        return {task: _of_batch(task, loss, module, *given, remedy=self._remedy) for task, loss in self.losses.items()}

    def of(self, task: str) -> "Tasks":
        """One of the tasks alone, on the same batches."""
        return replace(self, losses={task: self.losses[task]})

    def permuted(self, permute: Callable[[Any], Any]) -> "Tasks":
        """The same losses on what ``permute`` makes of each batch."""
        return replace(self, batches=[permute(batch) for batch in self.batches], is_null=True)

    @property
    def _remedy(self) -> str:
        if self.is_null:
            return (
                "this is the batch with its targets permuted, and the loss takes it as it was given: give permute=, a "
                "function of batch and generator that returns what the loss takes, or permutations=0"
            )
        return "it is called with the module and one of batches, a list: for a single batch give [batch]"


def _of_batch(task: str, loss: TaskLoss, module: Any, batch: Any, *, remedy: str) -> Any:
    try:
        return loss(module, batch)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(
            f"the loss of task {task!r} fails on a batch ({kind(batch)}): {in_one_line(str(error))}; {remedy}"
        ) from error


@dataclass(frozen=True)
class Permutations:
    """How often targets are permuted, and how."""

    count: int
    seed: int
    permute: Callable[[Any, torch.Generator], Any]

    def of(self, tasks: Tasks) -> list[Tasks]:
        """The tasks on permuted targets, once for each draw: the same ones at every checkpoint.

        Raises
        ------
        UserError
            ``permute`` gives no batch.
        """
        draws = [generator(self.seed, f"permuted targets {number}") for number in range(self.count)]
        return [tasks.permuted(lambda batch, draw=draw: self._changed(batch, draw)) for draw in draws]  # type: ignore[misc]

    def _changed(self, batch: Any, draw: torch.Generator) -> Any:
        if (found := self.permute(batch, draw)) is None:
            raise UserError("permute: expected a function that returns the batch with other targets, got None from it")
        return found
