"""A measurement that is tried out at the first checkpoint, before any row is taken, and how long the rest takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from tqdm import tqdm

from sedlib.base.errors import located
from sedlib.base.randomness import generator
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.row_folder import RowFolder
from sedlib.own.run_coupling import Responding
from sedlib.own.taking.run_losses import Tasks
from sedlib.own.taking.run_states import States, states_of
from sedlib.own.taking.state_hashes import StateHashes, hashes_of
from sedlib.sampling import random_directions
from sedlib.saved.saved_checkpoints import Checkpoints


@dataclass(frozen=True)
class RunTrial:
    """Seconds of a step's gradients of all tasks, and of a response of all tasks' centroids."""

    gradients: float
    response: float

    def shown(self, n_gradients: int, n_responses: int) -> str:
        """How long so many will take, as a line shows it."""
        rows, responses = self.gradients * n_gradients, self.response * n_responses
        return f"about {tqdm.format_interval(rows + responses)} ({n_gradients:,} gradients, {n_responses:,} responses)"


def tried(
    run: Checkpoints | States, module: nn.Module, folder: RowFolder, tasks: Tasks, responding: Responding
) -> RunTrial:
    """The gradients and a response at the first checkpoint that can be measured; what is refused is refused here.

    Raises
    ------
    UserError
        Losses, probes or the network cannot be measured, or the folder is of another run; the message names the step.
    """
    step, state = next(iter(states_of(run, module)))
    with located(f"step {step:,}"):
        checkpoint = Checkpoint(module, folder.layout, state)
        StateHashes(folder.path).require_same(step, hashes_of(checkpoint))
        tasks.rows(checkpoint, check=True)
        respond = responding.at(checkpoint, check=True)
        (direction,) = random_directions(1, folder.layout.size, generator(responding.seed, "random"))

        def respond_once() -> Any:
            return respond(direction.to(checkpoint.theta))

        responding.require_tasks(respond_once())
        return RunTrial(_seconds(lambda: tasks.rows(checkpoint)), _seconds(respond_once))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
