"""A measurement that is tried out at the first checkpoint, before any row is taken, and how long the rest takes."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from sedlib.base.errors import UserError, located
from sedlib.base.randomness import generator
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.row_folder import RowFolder
from sedlib.own.run_coupling import Responding
from sedlib.own.taking.run_losses import Tasks
from sedlib.own.taking.run_states import States, states_of
from sedlib.own.taking.same_rows import require_same_rows
from sedlib.own.taking.state_hashes import StateHashes, hashes_of
from sedlib.own.taking.taken_rows import broken_parameters
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
    """The gradients and a response at the first checkpoint whose parameters are finite; all refusals come from here.

    Raises
    ------
    UserError
        Losses, probes or the network cannot be measured, or the folder is of another run; the message names the step.
    """
    step, state = next(_finite(run, module))
    with located(f"step {step:,}"):
        checkpoint = Checkpoint(module, folder.layout, state)
        StateHashes(folder.path).require_same(step, hashes_of(checkpoint))
        rows = tasks.rows(checkpoint, check=True)
        respond = responding.at(checkpoint, check=True)
        (direction,) = random_directions(1, folder.layout.size, generator(responding.seed, "random"))

        def respond_once() -> Any:
            return respond(direction.to(checkpoint.theta))

        responding.require_tasks(respond_once())
        seconds, again = _timed(lambda: tasks.rows(checkpoint))
        require_same_rows(rows, again, "batches")
        return RunTrial(seconds, _timed(respond_once)[0])


def _finite(run: Checkpoints | States, module: nn.Module) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    yield from ((step, state) for step, state in states_of(run, module) if not broken_parameters(module, state))
    raise UserError("checkpoints: the parameters of every one are not finite")


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found
