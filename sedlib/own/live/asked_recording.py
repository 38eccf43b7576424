"""What a recorder is asked for, looked at before anything else happens: also by who makes the recorder later."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import require_function, wrong_kind
from sedlib.base.errors import UserError
from sedlib.models.gradient_sums import Losses
from sedlib.own.given import folder_for, require_one_of
from sedlib.own.step_file import DTYPES, require_step
from sedlib.saved.saved_checkpoints import whole_step
from sedlib.sketches.sketch import CountSketch


@dataclass(frozen=True)
class Recording:
    """Where rows and states go, in what form, and at which steps they are taken."""

    path: Path
    states: Path | None
    every: int | None
    steps: frozenset[int]
    dtype: str
    sketch: CountSketch | None
    on_restart: Literal["compare", "replace"]

    def chooses(self, step: int) -> bool:
        """Whether a step is recorded."""
        return step % self.every == 0 if self.every else step in self.steps


@checked(losses="give lambda module: {name: loss, …}", batches="a list or a loader of batches")
def recording_of(
    path: str | Path,
    losses: Losses,
    *,
    batches: Iterable[Any] | None = None,
    every: int | None = None,
    steps: Collection[int] | None = None,
    states: str | Path | None = None,
    dtype: str = "float32",
    sketch: CountSketch | None = None,
    on_restart: Literal["compare", "replace"] = "compare",
) -> Recording:
    """The recording that arguments of ``Recorder`` ask for.

    Raises
    ------
    UserError
        An argument means nothing.

    Examples
    --------
    >>> recording_of("rows", lambda module: {"output": module.weight.sum()}, every=10).chooses(20)
    True
    """
    if (every is None) == (steps is None):
        raise UserError("every, steps: expected one of the two, to say which steps are recorded")
    if every is not None and every < 1:
        raise UserError(f"every: expected a number of steps, got {every}")
    require_one_of("dtype", dtype, DTYPES)
    require_one_of("on_restart", on_restart, ("compare", "replace"))
    require_function("losses", losses, "module" if batches is None else "module, batch")
    chosen, rows = _chosen(steps), folder_for("path", path)
    whole = None if states is None else folder_for("states", states)
    if whole and whole.resolve() == rows.resolve():
        raise UserError(f"states: expected another folder than the rows', got {states}: files have the same names")
    return Recording(rows, whole, every, chosen, dtype, sketch, on_restart)


def _chosen(steps: object) -> frozenset[int]:
    if steps is None:
        return frozenset()
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        raise wrong_kind("steps", "several whole numbers", steps)
    if not (chosen := frozenset(require_step(whole_step(step)) for step in steps)):
        raise UserError("steps: expected one or more, got none, so nothing would be recorded")
    return chosen
