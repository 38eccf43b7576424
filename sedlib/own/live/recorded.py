"""What a recorder has written, and what becomes of it where the loop comes to a step again.

Shapes: rows and θ are ``[params]``. Units: those of the rows.
"""

import warnings
from pathlib import Path
from typing import Literal

from sedlib.base.errors import listed
from sedlib.own.live.kept_parameters import KeptParameters
from sedlib.own.live.live_rows import Taken
from sedlib.own.live.live_state import drop_states_from, require_own_states
from sedlib.own.row_folder import RowFolder
from sedlib.own.step_file import RowFolderError, StepFile
from sedlib.own.taking.step_rows import distance, tolerance
from sedlib.terms.stream_names import GRADIENT, UPDATE


class Recorded:
    """The folder, and θ of the step that was recorded last.

    Raises
    ------
    RowFolderError
        The folder is of another run, or broken.
    UserError
        The folder of the states has rows, or states of another run.
    """

    def __init__(
        self, folder: RowFolder, on_restart: Literal["compare", "replace"], states: Path | None = None
    ) -> None:
        self.folder, self._replaces, self._states = folder, on_restart == "replace", states
        self._began = False
        self._kept = KeptParameters(folder.path, folder.layout.size)
        self._steps = self.folder.steps
        self._before = self._kept.newest(at_most=self._steps[-1]) if self._steps else None
        if states:
            require_own_states(states, folder.path, self._steps)

    def has_come_to(self, step: int) -> bool:
        """Whether a step is recorded, or lies before one that is."""
        return bool(self._steps) and step <= self._steps[-1]

    def come_to(self, step: int) -> None:
        """Drop what the loop does again, where that is wanted."""
        if self._replaces and self._states and (self.has_come_to(step) or not self._began):
            drop_states_from(self._states, step)  # before the rows: a state without rows is of another run
        self._began = True
        if self._replaces and self.has_come_to(step):
            self._kept.forget_from(step)  # first: rows without θ are known for what they are, θ without rows is not
            self.folder.drop_from(step)
            self._steps = self.folder.steps
            self._before = self._kept.newest(at_most=step - 1)

    def record(self, step: int, taken: Taken) -> Taken:
        """Append the rows of a step with its update, or compare them with those that are there.

        Raises
        ------
        RowFolderError
            The step is there with other rows, or lies before the last one and is not there.
        """
        if self.has_come_to(step):
            self._require_same(step, taken)
        else:
            self._require_alone(step)
            self._require_tasks(step, taken)
            taken = self._with_update(step, taken)
            if taken.theta is None:
                self._kept.forget_from(step)
            else:
                self._kept.keep(step, taken.theta)
            self.folder.append(step, taken.rows, taken.left_out)
            self._steps.append(step)
            if taken.theta is not None:
                self._kept.forget_others(step)
        if taken.theta is not None:
            self._before = (step, taken.theta)
        return taken

    def _require_alone(self, step: int) -> None:
        if others := sorted(set(self.folder.steps) ^ set(self._steps)):
            raise RowFolderError(
                f"{self.folder.path}, step {step:,}: step {others[0]:,} came or went since this recorder began: "
                "another one writes there; give each run a folder of its own, and each loop one recorder"
            )

    def _require_tasks(self, step: int, taken: Taken) -> None:
        if not self._steps:
            return
        before, now = _tasks(self.folder.at(self._steps[-1])), _tasks(taken)
        if before and now and before != now:
            raise self._other(step, f"the tasks were {listed(sorted(before))}, and are {listed(sorted(now))} now")

    def _with_update(self, step: int, taken: Taken) -> Taken:
        if taken.theta is None:
            return taken
        if self._before is not None:
            update = taken.theta - self._before[1]
            if not update.any():
                warnings.warn(
                    f"step {step:,}: the parameters are those of step {self._before[0]:,}; is this the module that is "
                    "trained, and no copy of it?",
                    stacklevel=6,
                )
            return Taken({**taken.rows, UPDATE: update}, taken.left_out, taken.theta)
        if self._steps:
            reason = f"the parameters of step {self._steps[-1]:,} are not kept"
            return Taken(taken.rows, {**taken.left_out, UPDATE: reason}, taken.theta)
        return taken

    def _require_same(self, step: int, taken: Taken) -> None:
        if step not in self._steps:
            raise self._other(step, f"this row is missing, and step {self._steps[-1]:,} is")
        file = self.folder.at(step)
        there = {name for name in file.names if name.startswith(f"{GRADIENT}/")}
        now = {name: row for name, row in taken.rows.items() if name.startswith(f"{GRADIENT}/")}
        if there != now.keys():
            raise self._other(step, f"rows of {sorted(there)} are there, and {sorted(now)} now")
        for name, row in now.items():
            if not (off := distance(self.folder, [step], name, row)) <= tolerance(self.folder):
                raise self._other(step, f"{name!r} is there, and differs by {off:.2g} of its norm")

    def _other(self, step: int, problem: str) -> RowFolderError:
        return RowFolderError(
            f"{self.folder.path}, step {step:,}: {problem}: the loop is on another trajectory; choose another folder, "
            "or on_restart='replace', which deletes that step and all later ones"
        )


def _tasks(found: StepFile | Taken) -> set[str]:
    """Streams of the tasks' gradients, whether they have a row or a reason for none."""
    rows = found.names if isinstance(found, StepFile) else found.rows
    return {name for name in (*rows, *found.left_out) if name.startswith(f"{GRADIENT}/")}
