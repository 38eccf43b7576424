"""Rows of a module as training has it now, in one process or in several, and nothing of training disturbed.

Shapes: rows and θ are ``[params]``. Units: those of the loss per unit of the parameters, and of the parameters.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.errors import UserError, listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.gradient_sums import GradientSum, Losses, broken_slots, gradient_sums
from sedlib.own.live.processes import Processes
from sedlib.own.live.sharded_rows import is_sharded, sharded_sums, whole_theta
from sedlib.own.row_folder import EVERY
from sedlib.own.taking.same_rows import require_same_rows
from sedlib.terms.stream_names import TOTAL_GRADIENT, gradient_of
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class Taken:
    """What one step gave."""

    rows: dict[str, Tensor]
    left_out: dict[str, str]
    """Streams without a row, and why."""
    theta: Float[Tensor, " params"] | None
    """None where a parameter is not finite."""


@dataclass(frozen=True)
class LiveRows:
    """Where rows are taken: the module inside its wrappers, its slots, the losses and the fixed batches."""

    module: nn.Module
    layout: ParamLayout
    losses: Losses
    batches: Iterable[Any] | None
    processes: Processes

    def taken(self, *, check: bool) -> Taken:
        """The gradient of each task; those that are not finite are left out.

        Raises
        ------
        ValueError
            As ``task_gradients`` does, but for values that are not finite.
        """
        broken = [name for name, value in self.module.named_parameters() if not _local(value).isfinite().all()]
        broken = sorted({name for names in self.processes.gathered(broken) for name in names})
        if broken:
            return Taken({}, {EVERY: f"not finite in the parameters {listed(broken)}"}, None)
        theta, sums = self._sums(check)
        rows, left_out = {}, {}
        for task, found in sums.items():
            row, stream = found.mean(), gradient_of(task)
            if stream == TOTAL_GRADIENT:
                raise UserError("losses: a task may not be named 'total', as the sum of the tasks' gradients is")
            if slots := broken_slots(row, self.layout):
                left_out[stream] = f"not finite in {listed(slots)}"
            else:
                rows[stream] = row
        return Taken(rows, left_out, theta.to("cpu", torch.float32, copy=True))

    def require_same_again(self, taken: Taken) -> None:
        """Refuse a loader whose batches differ from pass to pass; a list is believed.

        Raises
        ------
        UserError
            They do, or there is no second pass.
        """
        is_list = self.batches is None or isinstance(self.batches, Sequence)
        if not all(self.processes.gathered(is_list)) and taken.theta is not None:
            require_same_rows(taken.rows, self.taken(check=False).rows, "batches")

    def _sums(self, check: bool) -> tuple[Tensor, dict[str, GradientSum]]:
        if is_sharded(self.module):
            found = sharded_sums(self.losses, self.module, self.layout, self.batches, self.processes, check=check)
            return whole_theta(self.module, self.layout), found
        with self.processes.together():
            checkpoint = Checkpoint(self.module, self.layout)
            own = gradient_sums(self.losses, checkpoint, self.batches, check=check)
        found = self.processes.added(own, self.layout.size, checkpoint.theta)
        if not found:
            raise UserError("batches: expected at least one, got none; is the loader empty, or a generator used up?")
        return checkpoint.theta, found


@contextmanager
def undisturbed() -> Iterator[None]:
    """On leaving, random states of Python, NumPy and PyTorch are as before: a loader draws a seed at each iteration.

    Examples
    --------
    >>> torch.manual_seed(0).initial_seed()
    0
    >>> with undisturbed():
    ...     first = torch.rand(3)
    >>> bool((torch.rand(3) == first).all())
    True
    """
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - what others may use is kept
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def _local(parameter: Any) -> Tensor:
    """What this process has of a parameter."""
    return parameter.detach().to_local() if hasattr(parameter, "to_local") else parameter.detach()
