"""From a run's checkpoints to the table of coupling ratios, in one call."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import require_function, wrong_kind
from sedlib.base.errors import UserError
from sedlib.base.progress import track
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.own.permuted import permuted
from sedlib.own.room_needed import require_room, room_needed
from sedlib.own.row_folder import RowFolder
from sedlib.own.run_coupling import Responding, ResponsesAt, coupling_at
from sedlib.own.run_states import States, states_of
from sedlib.own.run_streams import run_streams
from sedlib.own.taken_rows import PERMUTED, Permutations, TaskLoss, Tasks, take_rows
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.terms.stream_names import gradient_of
from sedlib.vectors import ParamLayout

COLUMNS = [
    *("step", "task", "stream", "window", "rank", "ratio", "ratio_1"),
    *("random_median", "random_low", "random_high"),
    *("matched_mean", "matched_z", "permuted_mean", "permuted_z", "reason"),
]


@checked()
def measure(
    checkpoints: Checkpoints | States,
    module: nn.Module,
    tasks: Mapping[str, TaskLoss],
    batches: Sequence[Any],
    probes: Probes,
    *,
    slots: ParamLayout | str = "attention",
    windows: Sequence[int] = (1, 10),
    rank: int = 3,
    measured: int | None = 40,
    response: Literal["difference", "jvp"] = "difference",
    epsilon: float = 0.005,
    random: int = 20,
    matched: int = 6,
    permutations: int = 3,
    permute: Callable[[Any, torch.Generator], Any] = permuted,
    rows: Path | str | None = None,
    dtype: str = "float32",
    chunk: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Coupling ratios :math:`\bar R` of a run, per checkpoint, task, stream and window: a tidy table.

    Streams are each task's gradient, their sum where there are several tasks, and the updates between checkpoints. The
    module is measured at one whole checkpoint at a time, in eval, and stays as it was.

    Parameters
    ----------
    checkpoints
        Files that were found, or a function that yields steps and state dicts, which is called twice.
    module
        A network of that architecture; its values do not matter.
    tasks
        Losses by name: ``loss(module, batch)``.
    batches
        The fixed batches on which gradients are taken. A loss is a mean of one batch; of several it is a pair of a sum
        and its count.
    probes
        Where centroids are taken; the scores are ``[tasks, probes]``, in the order of ``tasks``.
    slots
        ``"attention"``, a glob, or a layout.
    windows, rank
        W and k.
    measured
        How many checkpoints are measured, evenly spaced, the first and the last among them; all of them by None.
    response, epsilon, random
        How a response is measured, and with how many random directions it is compared.
    matched
        Random directions whose part in each slot is as long as the basis's: a null. 0 leaves it out.
    permutations, permute
        How often the batches' targets are permuted for the other null, and by what function; 0 leaves it out.
    rows, dtype
        A folder that keeps the rows, in which an interrupted call goes on, and in what they are kept there.
    chunk
        Probes in memory at once.
    seed
        Of all random choices.

    Returns
    -------
    pandas.DataFrame
        ``ratio`` is :math:`\bar R`, ``ratio_1`` that of the first direction. ``random_median`` is the response of
        random directions, ``random_low`` and ``random_high`` are their quartiles as ratios. ``matched_mean`` and
        ``permuted_mean`` are :math:`\bar R` of the nulls; z is the distance to it in standard deviations. ``reason``
        says why a window has no basis, and the ratio is missing there.

    Raises
    ------
    UserError
        There are too few checkpoints or tasks, or a number is not finite; the message names step and stream.
    ValueError
        The network, the probes or a file cannot be measured; the message says what to do.
    """
    if not isinstance(checkpoints, Checkpoints) and not callable(checkpoints):
        raise wrong_kind("checkpoints", "sedlib.Checkpoints or a function of pairs (step, state dict)", checkpoints)
    for name, loss in tasks.items():
        require_function(f"tasks[{name!r}]", loss, "module, batch")
    layout = _layout(slots, module)
    if not tasks or not batches or random < 1 or measured == 0 or matched == 1 or permutations == 1:
        raise UserError(
            "expected a task, a batch, a random direction, a measured checkpoint, and nulls of 0 or at least 2 draws, "
            f"got {len(tasks)} tasks, {len(batches)} batches, random = {random}, measured = {measured}, "
            f"matched = {matched} and permutations = {permutations}"
        )
    responding = Responding(probes, list(tasks), response, epsilon, random, matched, seed, chunk)
    with nullcontext(rows) if rows is not None else tempfile.TemporaryDirectory() as place:
        folder = RowFolder(Path(place), layout, dtype)
        n_rows, n_bases = len(tasks) * (1 + permutations) + 1, len(set(windows)) * (len(tasks) * (1 + permutations) + 2)
        n_directions = random + n_bases * rank + len(set(windows)) * (len(tasks) + 2) * matched
        n_checkpoints = len(checkpoints) if isinstance(checkpoints, Checkpoints) else 1
        require_room(room_needed(module, layout, n_checkpoints, n_rows, n_directions, dtype), folder.path)
        take_rows(checkpoints, module, Tasks(tasks, batches), folder, Permutations(permutations, seed, permute))
        streams = list(run_streams(folder, list(tasks), sorted(set(windows)), rank, permutations))
        chosen = _evenly(folder.steps, measured)
        found: list[dict[str, Any]] = []
        states = ((step, state) for step, state in states_of(checkpoints, module) if step in chosen)
        for step, state in track(states, len(chosen), "coupling", lambda pair: f"step {pair[0]:,}"):
            responses = ResponsesAt(Checkpoint(module, layout, state), responding, check=not found)
            found += coupling_at(step, responses, streams, sorted(set(windows)))
    return _with_permuted(pd.DataFrame(found))


def _layout(slots: ParamLayout | str, module: nn.Module) -> ParamLayout:
    if isinstance(slots, ParamLayout):
        return slots
    return ParamLayout.attention(module) if slots == "attention" else ParamLayout.select(module, slots)


def _evenly(steps: Sequence[int], count: int | None) -> set[int]:
    if count is None or count >= len(steps):
        return set(steps)
    return {steps[int(index)] for index in np.linspace(0, len(steps) - 1, count).round()}


def _with_permuted(table: pd.DataFrame) -> pd.DataFrame:
    """The gradients' rows with mean and z of the gradients on permuted targets, which have no rows of their own."""
    is_permuted = table["stream"].str.startswith(PERMUTED)
    null = table[is_permuted].groupby(["step", "task", "window"])["ratio"].agg(["mean", "std"]).reset_index()
    kept = table[~is_permuted].merge(null, how="left", on=["step", "task", "window"])
    own = kept["stream"] == kept["task"].map(gradient_of)
    kept["permuted_mean"] = kept["mean"].where(own)
    kept["permuted_z"] = ((kept["ratio"] - kept["mean"]) / kept["std"]).where(own)
    return kept.reindex(columns=COLUMNS).sort_values(["step", "task", "stream", "window"], ignore_index=True)
