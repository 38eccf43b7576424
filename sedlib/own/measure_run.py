"""From a run's checkpoints to the table of coupling ratios, in one call."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import nn

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import require_function, wrong_kind
from sedlib.base.errors import UserError
from sedlib.models.probes import Probes
from sedlib.own.chosen_slots import require_values, slots_of, unwrapped
from sedlib.own.given import folder_for, require_one_of
from sedlib.own.row_folder import RowFolder
from sedlib.own.run_coupling import Responding
from sedlib.own.run_measuring import RunMeasuring
from sedlib.own.step_file import DTYPES, require_step
from sedlib.own.taking.only_call import only_call
from sedlib.own.taking.permuted import permuted
from sedlib.own.taking.run_losses import PERMUTED, Permutations, TaskLoss, Tasks
from sedlib.own.taking.run_states import States
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.sketches.sketch import CountSketch
from sedlib.terms.stream_names import TOTAL, gradient_of
from sedlib.vectors import ParamLayout

COLUMNS = [
    *("step", "task", "stream", "window", "rank", "basis_error", "ratio", "ratio_1"),
    *("random_median", "random_low", "random_high"),
    *("matched_mean", "matched_z", "permuted_mean", "permuted_z", "permuted_n", "reason"),
]


@checked(batches="list(loader) makes a list of a loader's batches")
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
    sketch: CountSketch | None = None,
    chunk: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Coupling ratios :math:`\bar R` of a run, per checkpoint, task, stream and window: a tidy table.

    Streams are each task's gradient, their sum where there are several tasks, the updates between checkpoints, and
    the ladder where a recorder's rows have it. The module is measured at one whole checkpoint at a time, in eval, and
    stays as it was. Losses and probes are tried at the first checkpoint; then a line says how long the other
    checkpoints take.

    Parameters
    ----------
    checkpoints
        ``sedlib.Checkpoints``, or a function that yields steps and state dicts. The function is called three times, the
        first time up to the first finite pair, and must yield the same run each time.
    module
        A network of the checkpoints' architecture; its values do not matter.
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
        How many checkpoints are measured, evenly spaced, with the first and the last; None measures all.
    response, epsilon, random
        How a response is measured, and the number of random directions.
    matched
        Number of random directions whose norm in each slot is the basis's norm in that slot: a null. 0 leaves it out.
    permutations, permute
        How often the batches' targets are permuted for the other null, and by what function; 0 leaves it out.
    rows, dtype
        A folder that keeps rows and responses, so that an interrupted call goes on, and the dtype of the rows in the
        folder. A recorder's folder is allowed.
    sketch
        Keeps sketches in place of rows. Directions then come from rows that are computed again, and have an error.
    chunk
        Probes in memory at once.
    seed
        The seed of all random choices.

    Returns
    -------
    pandas.DataFrame
        ``ratio`` is :math:`\bar R`, ``ratio_1`` that of the first direction. ``basis_error`` is the sine of an angle:
        a bound on what rounding turns the basis by, or a sketch's standard error. ``random_median`` is the response of
        random directions, ``random_low`` and ``random_high`` are their quartiles as ratios. ``matched_mean`` and
        ``permuted_mean`` are :math:`\bar R` of the nulls; z is the distance of the ratio to a null in standard
        deviations of the null, over ``matched`` draws and over ``permuted_n``. ``reason`` says why a window has no
        basis and no ratio.

    Raises
    ------
    UserError
        There are too few checkpoints or tasks, or a number is not finite; the message names step and stream. Or an
        argument means nothing, or a state is not the one of which rows were taken: in an earlier pass, or in an earlier
        call with the same ``rows``.
    ValueError
        The network, the probes or a file cannot be measured; the message says what to do.
    """
    require_one_of("response", response, ("difference", "jvp"))
    require_one_of("dtype", dtype, DTYPES)
    rows = None if rows is None else folder_for("rows", rows)
    _require_run(checkpoints, tasks, batches, in_any_order=sketch is not None)
    if wrong := [window for window in windows if not isinstance(window, Integral) or isinstance(window, bool)]:
        raise wrong_kind("windows", "whole numbers", wrong[0])
    if rows is not None and isinstance(checkpoints, Checkpoints):
        _require_apart(rows, checkpoints)
    if min(windows, default=0) < 1 or rank < 1:
        raise UserError(
            f"windows, rank: expected windows of a row or more and a direction, got {list(windows)}, {rank}"
        )
    none_measured = measured is not None and measured < 1
    if random < 1 or none_measured or matched < 0 or matched == 1 or permutations < 0 or permutations == 1:
        raise UserError(
            "expected a random direction, a measured checkpoint, and nulls of 0 or at least 2 draws, got random = "
            f"{random}, measured = {measured}, matched = {matched} and permutations = {permutations}"
        )
    responding = Responding(probes, list(tasks), response, epsilon, random, matched, seed, chunk)
    named = Tasks(tasks, batches)
    nulls = Permutations(permutations, seed, permute).of(named)
    with nullcontext(rows) if rows is not None else tempfile.TemporaryDirectory() as place:
        require_values(module := unwrapped(module))
        folder = RowFolder(Path(place), slots_of(module, slots), dtype, sketch)
        run = RunMeasuring(checkpoints, module, named, nulls, folder, responding, sorted(set(windows)), rank)
        with only_call(folder.path), torch.inference_mode(False), torch.enable_grad():
            return _with_permuted(pd.DataFrame(run.table(measured)))


def _require_apart(rows: Path, checkpoints: Checkpoints) -> None:
    if any(saved.place.parent.resolve() == rows.resolve() for saved in checkpoints):
        raise UserError(f"rows: expected a folder for rows alone, got {rows}, in which the checkpoints are")


def _require_run(
    checkpoints: object, tasks: Mapping[str, TaskLoss], batches: Sequence[Any], *, in_any_order: bool
) -> None:
    if not isinstance(checkpoints, Checkpoints) and not callable(checkpoints):
        what, remedy = (
            "sedlib.Checkpoints or a function of pairs (step, state dict)",
            "sedlib.Checkpoints(path) finds files",
        )
        raise wrong_kind("checkpoints", what, checkpoints, remedy)
    for saved in checkpoints if isinstance(checkpoints, Checkpoints) else ():
        require_step(saved.step)
    if in_any_order and not isinstance(checkpoints, Checkpoints):
        raise UserError(
            "sketch: expected sedlib.Checkpoints beside it, got a function: rows are taken again at the checkpoints of "
            "each window, in any order; save the states as files"
        )
    if not tasks or not batches:
        raise UserError(f"expected at least one task and one batch, got {len(tasks)} tasks and {len(batches)} batches")
    for name, loss in tasks.items():
        if not isinstance(name, str) or not name or name == TOTAL:
            raise UserError(f"tasks: expected names other than 'total', which is the sum of the tasks, got {name!r}")
        require_function(f"tasks[{name!r}]", loss, "module, batch")


def _with_permuted(table: pd.DataFrame) -> pd.DataFrame:
    """The gradients' rows with mean and z of the gradients on permuted targets, which have no rows of their own."""
    is_permuted = table["stream"].str.startswith(PERMUTED)
    null = table[is_permuted].groupby(["step", "task", "window"])["ratio"].agg(["mean", "std", "count"]).reset_index()
    kept = table[~is_permuted].merge(null, how="left", on=["step", "task", "window"])
    own = kept["stream"] == kept["task"].map(gradient_of)
    kept["permuted_mean"] = kept["mean"].where(own)
    kept["permuted_n"] = kept["count"].where(own)
    kept["permuted_z"] = ((kept["ratio"] - kept["mean"]) / kept["std"]).where(own)
    return kept.reindex(columns=COLUMNS).sort_values(["step", "task", "stream", "window"], ignore_index=True)
