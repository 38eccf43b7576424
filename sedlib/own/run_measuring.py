"""A run on its way through: what it will take, its rows, its responses."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sedlib.base.errors import UserError, listed, located
from sedlib.base.progress import say, track
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.kept_couplings import KeptCouplings
from sedlib.own.room_needed import require_room, room_needed
from sedlib.own.row_folder import EVERY, RowFolder
from sedlib.own.run_coupling import Responding, ResponsesAt, coupling_at
from sedlib.own.run_streams import run_streams
from sedlib.own.run_trial import tried
from sedlib.own.taking.rows_again import RowsAgain
from sedlib.own.taking.run_losses import Tasks, permuted_stream
from sedlib.own.taking.run_states import States, states_again
from sedlib.own.taking.state_hashes import StateHashes, hashes_of
from sedlib.own.taking.taken_rows import take_rows
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.terms.stream_names import LADDER, gradient_of


@dataclass(frozen=True)
class RunMeasuring:
    """What is measured of a run, and where its rows are."""

    checkpoints: Checkpoints | States
    module: nn.Module
    tasks: Tasks
    nulls: list[Tasks]
    folder: RowFolder
    responding: Responding
    windows: list[int]
    rank: int

    def table(self, measured: int | None) -> list[dict[str, Any]]:
        """Rows of the run's table, those of nulls among them.

        Raises
        ------
        UserError
            What is measured does not fit on this machine, or cannot be measured, or is another run in a later pass.
        """
        self._require_windows(max(self._count, len(self.folder.steps)) if self._count else None)
        for saved in self.checkpoints if isinstance(self.checkpoints, Checkpoints) else ():
            saved.require(self.module)  # the last is refused before the first has taken its time
        self._announce(measured)
        steps = take_rows(self.checkpoints, self.module, self.tasks, self.nulls, self.folder)
        left_out = self.folder.left_out
        finite = [step for step in steps if EVERY not in left_out.get(step, {})]
        n_rows = len([step for step in self.folder.steps if EVERY not in left_out.get(step, {})])
        if n_rows < (self._count or math.inf):
            self._require_windows(n_rows)
        if not (found := self._coupling(steps, _evenly(finite, measured))):
            raise UserError(
                "windows: no measured checkpoint has a whole window, as rows are missing that are not finite: choose "
                "shorter ones, such as windows=[1], or more checkpoints by measured="
            )
        return found

    @property
    def _count(self) -> int:
        """Checkpoints; 0 where a function yields them and nobody knows how many."""
        return len(self.checkpoints) if isinstance(self.checkpoints, Checkpoints) else 0

    def _require_windows(self, n_rows: int | None) -> None:
        if not n_rows or not (long := [window for window in self.windows if window > n_rows]):
            return
        text = f"{listed([str(window) for window in long])} rows are longer than the run of {n_rows:,} checkpoints"
        if len(long) == len(self.windows):
            raise UserError(f"windows: {text}; choose shorter ones, such as windows=[1]")
        warnings.warn(f"windows: {text}, so the table has none of them", stacklevel=4)

    def _announce(self, measured: int | None) -> None:
        """Refuse what does not fit or cannot be measured, and say how long the rest will take."""
        n_tasks, n_draws, missing = len(self.tasks.losses), 1 + len(self.nulls), self._missing_draws()
        n_kept = n_tasks * sum(missing.values()) + len(missing.keys() - set(self.folder.steps))  # and the updates
        room = room_needed(self.module, self.folder, n_kept, n_tasks, n_tasks * n_draws + 1, self.rank)
        require_room(room, self.folder.path)
        trial = tried(self.checkpoints, self.module, self.folder, self.tasks, self.responding)
        n_measured = self._count if measured is None else min(self._count, measured)
        if self._count:
            say(f"measure: {room}, {trial.shown(sum(missing.values()), n_measured * self._responses_of_a_step())}")

    def _missing_draws(self) -> dict[int, int]:
        """By checkpoint, how many draws of targets have no gradients in the folder, the true targets among them."""
        draws = [{gradient_of(task) for task in self.tasks.losses}]
        draws += [{permuted_stream(number, task) for task in self.tasks.losses} for number in range(len(self.nulls))]
        steps = self.checkpoints.steps if isinstance(self.checkpoints, Checkpoints) else [-1]
        there = {step: set(self.folder.names(step)) for step in self.folder.steps}
        return {step: sum(not names <= there.get(step, set()) for names in draws) for step in steps}

    def _responses_of_a_step(self) -> int:
        """To random directions, and to bases of whole windows with what is matched to them."""
        n_tasks, recorded = len(self.tasks.losses), {name for at in self.folder.steps for name in self.folder.names(at)}
        shared = 1 + (n_tasks > 1) + sum(name.startswith(LADDER) for name in recorded)
        n_bases, n_compared = n_tasks * (1 + len(self.nulls)) + shared, n_tasks + shared
        each = (n_bases * min(self.rank, window) + n_compared * self.responding.matched for window in self.windows)
        return self.responding.random + sum(each)

    def _coupling(self, steps: Sequence[int], chosen: set[int]) -> list[dict[str, Any]]:
        """What was measured before in this folder is not measured again."""
        again = RowsAgain(self.checkpoints, self.module, self.folder, self.tasks, self.nulls)
        streams = list(run_streams(self.folder, self.responding.tasks, self.windows, self.rank, again))
        kept = KeptCouplings(self.folder.path, self._settings())
        files = {step: self.folder.at(step).digest for step in self.folder.steps}
        found: list[dict[str, Any]] = []
        passed = states_again(self.checkpoints, self.module, steps)
        states = ((step, state) for step, state in passed if step in chosen)
        for step, state in track(states, len(chosen), "coupling", lambda pair: f"step {pair[0]:,}"):
            with located(f"step {step:,}"):
                checkpoint = Checkpoint(self.module, self.folder.layout, state)
            StateHashes(self.folder.path).require_same(step, hashes_of(checkpoint))
            responses = ResponsesAt(checkpoint, self.responding)
            first = responses.first.tolist()
            held = kept.found(step, files, first)
            if held is None:
                held = list(coupling_at(step, responses, streams, self.windows))
                kept.keep(step, files, first, held)
            found += held
        return found

    def _settings(self) -> dict[str, Any]:
        known = {
            key: getattr(self.responding, key) for key in ("tasks", "kind", "epsilon", "random", "matched", "seed")
        }
        return {**known, "windows": self.windows, "rank": self.rank, "permutations": len(self.nulls)}


def _evenly(steps: Sequence[int], count: int | None) -> set[int]:
    if count is None or count >= len(steps):
        return set(steps)
    return {steps[int(index)] for index in np.linspace(len(steps) - 1, 0, count).round()}  # of one, the last
