"""The recorder as a callback of Hugging Face's Trainer. Needs ``transformers``, and ``accelerate``, as Trainer does.

Shapes: rows are ``[params]``, as in sedlib.own.live.recorder. Units: as there.
"""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import UserError, listed
from sedlib.base.installed.extras import what_to_install
from sedlib.models.gradient_sums import Losses
from sedlib.own.live.asked_recording import recording_of
from sedlib.own.live.recorder import Recorder
from sedlib.vectors import ParamLayout

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ModuleNotFoundError as error:
    raise ImportError(f"RecorderCallback: {what_to_install(error) or error}") from error


class RecorderCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Records while ``Trainer`` trains, at step 0 and at the chosen ones.

    A step is a step of the optimizer, however many batches it accumulates. ``sedlib.Checkpoints`` reads the folders
    that Trainer saves (``checkpoint-500``): choose the same steps, ``every=save_steps``.

    Parameters
    ----------
    path, losses
        As ``Recorder`` takes them.
    slots
        A layout, or a function that chooses one from the module; the attention slots unless it is given.
    with_ladder
        Whether moments of Adam or AdamW are recorded too, as ``Recorder(optimizer=…)`` does.
    options
        Further arguments of ``Recorder``: ``batches``, ``every`` or ``steps``, ``states``, ``dtype``, ``on_restart``.

    Raises
    ------
    UserError
        An option means nothing; or as ``Recorder`` does of the module, when training begins.

    Examples
    --------
    >>> import tempfile, torch
    >>> def losses(module, batch):
    ...     return {"output": (module(batch).sum(), len(batch))}
    >>> def slots(module):
    ...     return ParamLayout.select(module, "*")
    >>> batches = [torch.ones(3, 2)]
    >>> callback = RecorderCallback(tempfile.mkdtemp(), losses, slots=slots, batches=batches, every=100)
    >>> callback.recorder is None  # until Trainer(…, callbacks=[callback]).train() begins
    True
    """

    def __init__(
        self,
        path: str | Path,
        losses: Losses,
        *,
        slots: ParamLayout | Callable[[nn.Module], ParamLayout] | None = None,
        with_ladder: bool = False,
        **options: Any,
    ) -> None:
        known = [name for name in signature(recording_of).parameters if name not in ("path", "losses")]
        if unknown := sorted(options.keys() - set(known)):
            ladder = "; with_ladder=True takes the optimizer of Trainer" if "optimizer" in unknown else ""
            raise UserError(f"options: expected some of {', '.join(known)}, got {listed(unknown)}{ladder}")
        recording_of(path, losses, **options)  # refused here, before a model is loaded
        if slots is not None and not callable(slots) and not isinstance(slots, ParamLayout):
            raise wrong_kind("slots", "a ParamLayout, or a function of the module that gives one", slots)
        self._path, self._losses, self._slots = path, losses, slots
        self._with_ladder, self._options = with_ladder, options
        self.recorder: Recorder | None = None
        """From the beginning of the training on."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Begin, or go on at the step at which training goes on."""
        module = given["model"]
        slots = self._slots(module) if callable(self._slots) else self._slots
        optimizer = given["optimizer"] if self._with_ladder else None
        self.recorder = Recorder(self._path, module, self._losses, slots=slots, optimizer=optimizer, **self._options)
        self.recorder.after(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Record the step if it is chosen."""
        if self.recorder:
            self.recorder.after(state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Release the optimizer."""
        if self.recorder:
            self.recorder.close()
