"""Records a running training loop: at chosen steps a row of each task's gradient, and the update since the last one.

Shapes: rows are ``[params]``, the slots of a ParamLayout. Units: a gradient's are those of its loss per unit of the
parameters, an update's those of the parameters.
"""

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from sedlib.base.border.checked import checked
from sedlib.base.errors import UserError, listed
from sedlib.models.gradient_sums import Losses
from sedlib.own.chosen_slots import slots_of, unwrapped
from sedlib.own.live.asked_recording import recording_of
from sedlib.own.live.live_rows import LiveRows, Taken, undisturbed
from sedlib.own.live.live_state import save_state
from sedlib.own.live.optimizer_rows import OptimizerRows
from sedlib.own.live.processes import Processes
from sedlib.own.live.recorded import Recorded
from sedlib.own.row_folder import EVERY, RowFolder
from sedlib.own.step_file import require_step
from sedlib.saved.saved_checkpoints import whole_step
from sedlib.sketches.sketch import CountSketch
from sedlib.vectors import ParamLayout


class Recorder:
    r"""Rows of a running loop, appended to a folder that is whole at any moment.

    At a chosen step t it writes ``gradient/TASK``, the gradient of each task's loss on fixed batches, and ``update``,
    :math:`\theta_t - \theta_{t'}` from the step t' that was recorded before. With an ``optimizer`` (Adam or AdamW) also
    ``ladder/momentum``, ``ladder/adam-direction``, ``ladder/step-without-decay`` and ``ladder/step`` of the step that
    led to t. Training does not change: values, gradients, modes and random states stay as they were.

    A row that is not finite is left out with a warning, and the folder says so. A loop that starts again at an earlier
    step must compute the same rows there, or pass ``on_restart="replace"``.

    In several processes (DistributedDataParallel, FSDP2) each process has a part of the batches and every process calls
    ``after``; a row is over all batches, and the first process writes. Source: the rows of arXiv 2604.25143; the
    recorder is ours.

    Parameters
    ----------
    path
        The folder of the rows; ``sedlib.RowFolder`` reads it.
    module
        The network that is trained, in its wrapper if it has one.
    losses
        ``losses(module)``, or ``losses(module, batch)`` where there are batches, as ``task_gradients`` takes them.
    slots
        A layout; default: the attention slots.
    batches
        Fixed batches, iterated again at each recorded step; at the first one twice if they are no list, and compared.
    every, steps
        Which steps are chosen: multiples of a number, or a list; one of the two.
    optimizer
        The optimizer whose moments give the ladder.
    states
        A folder for whole state dicts at the recorded steps, which ``sedlib.Checkpoints`` reads.
    dtype
        The dtype of the rows on disk: ``float32``, ``float16`` or ``bfloat16``.
    sketch
        Keeps a sketch of each row in its place: gaps then have the errors that ``sketch_errors`` says.
    on_restart
        Rows of a step that is recorded already: ``compare`` refuses other rows, ``replace`` deletes the rows of that
        step and of all later steps, and their states.

    Raises
    ------
    UserError
        An argument is none of these; the folder is of another run; rows differ at a step that is recorded already.
    ValueError
        A loss cannot be measured, as ``task_gradients`` says.

    Examples
    --------
    >>> import tempfile, torch
    >>> module = nn.Linear(2, 1, bias=False)
    >>> slots = ParamLayout.select(module, "weight")
    >>> def losses(module, batch):
    ...     return {"output": (module(batch).sum(), len(batch))}
    >>> folder = tempfile.mkdtemp()
    >>> optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    >>> with Recorder(folder, module, losses, slots=slots, batches=[torch.ones(3, 2)], every=2) as recorder:
    ...     recorder.after(0)
    ...     for step in range(1, 5):
    ...         module(torch.ones(1, 2)).sum().backward()
    ...         optimizer.step()
    ...         optimizer.zero_grad()
    ...         recorder.after(step)
    >>> recorder.rows.stream("update").steps, recorder.rows.stream("gradient/output")[0:1, 0:2]
    ([2, 4], array([[1., 1.]], dtype=float32))
    """

    @checked(
        losses="give lambda module: {name: loss, …}",
        batches="a list or a loader of batches",
        slots="ParamLayout.select(module, …) makes one",
    )
    def __init__(
        self,
        path: str | Path,
        module: nn.Module,
        losses: Losses,
        *,
        slots: ParamLayout | None = None,
        batches: Iterable[Any] | None = None,
        every: int | None = None,
        steps: Collection[int] | None = None,
        optimizer: Optimizer | None = None,
        states: str | Path | None = None,
        dtype: str = "float32",
        sketch: CountSketch | None = None,
        on_restart: Literal["compare", "replace"] = "compare",
    ) -> None:
        self._asked = recording_of(
            path,
            losses,
            batches=batches,
            every=every,
            steps=steps,
            states=states,
            dtype=dtype,
            sketch=sketch,
            on_restart=on_restart,
        )
        inner = unwrapped(module)
        layout = slots_of(inner, slots)
        _require_inside(inner, layout)
        self._live = LiveRows(inner, layout, losses, batches, Processes.joined())
        self._ladder = OptimizerRows(inner, layout, optimizer) if optimizer is not None else None
        self._recorded: Recorded | None = None
        with self._processes.together():
            if self._processes.is_first:
                rows = RowFolder(self._asked.path, layout, dtype, sketch)
                self._recorded = Recorded(rows, on_restart, self._asked.states)
        self._checked = False

    @property
    def rows(self) -> Any:
        """The rows of the folder, a ``RowFolder``; only in the first process."""
        if self._recorded is None:
            raise UserError(f"rows: the first process has them, and this is process {self._processes.rank}")
        return self._recorded.folder

    def after(self, step: int) -> None:
        """Record if ``step`` is chosen; call it after each step of the optimizer, and with 0 before the first."""
        step = require_step(whole_step(step))
        with self._processes.together():
            if self._recorded:
                self._recorded.come_to(step)
        if not self._asked.chooses(step):
            return
        with undisturbed(), torch.inference_mode(False), torch.enable_grad():  # a callback may be called without
            self._record(step)

    def _record(self, step: int) -> None:
        taken = self._live.taken(check=not self._checked)
        if not self._checked:
            self._live.require_same_again(taken)
        self._checked = True
        if self._ladder and taken.theta is not None:
            taken = self._ladder.added_to(taken)
        is_there = self._recorded is not None and self._recorded.has_come_to(step)
        with self._processes.together():
            if self._recorded:
                _warn(step, self._recorded.record(step, taken))
        if self._asked.states:
            save_state(self._asked.states, step, self._live.module, self._processes, keeps=is_there)

    def close(self) -> None:
        """Release the optimizer."""
        if self._ladder:
            self._ladder.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _processes(self) -> Processes:
        return self._live.processes


def _require_inside(module: nn.Module, layout: ParamLayout) -> None:
    known = dict(module.named_parameters(remove_duplicate=False))
    if missing := [name for name in layout.needs if name not in known]:
        raise UserError(
            f"slots: {listed(missing)} not in the module; make the layout from the module inside its wrapper "
            f"(model.module), whose names are {listed(list(known))}"
        )


def _warn(step: int, taken: Taken) -> None:
    for stream, reason in taken.left_out.items():
        what = "no row is" if stream == EVERY else f"{stream!r} is not"
        warnings.warn(f"step {step:,}: {what} recorded: {reason}", stacklevel=5)
