"""The first pass over a run: the rows of each checkpoint, into a folder.

Streams: ``gradient/<task>``; ``permuted/<number>/<task>``, the gradient on permuted targets; ``update`` from the second
checkpoint on. What the folder has already stays, and is not taken again, but for what is compared: the gradients of the
first checkpoint that is there, and updates, also the sum of those between two checkpoints. Rows that are not finite are
left out. Rows that came between two steps of the folder go again if the next update shows another run.
Hashes of a step's state are kept beside its rows: later passes and later calls refuse another state.

Shapes: rows and θ are ``[params]``. Units: those of the losses per unit of the parameters, and of the parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.errors import listed, located
from sedlib.base.progress import track
from sedlib.models.checkpoint import Checkpoint
from sedlib.own.row_folder import EVERY, RowFolder
from sedlib.own.step_file import RowFolderError
from sedlib.own.taking.run_losses import Tasks, permuted_stream
from sedlib.own.taking.run_states import States, states_of
from sedlib.own.taking.state_hashes import StateHashes, hashes_of
from sedlib.own.taking.step_rows import StepRows
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.terms.stream_names import UPDATE, gradient_of

Rows = Mapping[str, Float[Tensor, " params"]]


def take_rows(
    run: Checkpoints | States, module: nn.Module, tasks: Tasks, nulls: Sequence[Tasks], folder: RowFolder
) -> list[int]:
    """Write the rows that the folder lacks; the steps of all checkpoints.

    ``nulls`` are the tasks on permuted targets, by draw.

    Raises
    ------
    UserError
        A row cannot be taken, or is there with other values or of another state; the message names the step.
    """
    total, known = len(run) if isinstance(run, Checkpoints) else None, folder.steps
    hashes, seen = StateHashes(folder.path), list[int]()
    steps, new = list[int](), list[int]()
    before: Tensor | None = None
    for step, state in track(states_of(run, module), total, "rows", lambda found: f"step {found[0]:,}"):
        with located(f"step {step:,}"):
            found = StepRows.of(folder, step)
            broken = broken_parameters(module, state)
            _require_broken_as_before(found, broken)
            if broken:
                found.leave_out(EVERY, f"not finite in the parameters {listed(broken)}")
            else:
                checkpoint = Checkpoint(module, folder.layout, state)
                hashes.require_same(step, now := hashes_of(checkpoint))
                _put_gradients(found, checkpoint, tasks, nulls, compares=not set(known) & set(steps))
                if before is not None:
                    with _taken_back(folder, new):
                        _put_update(found, steps[-1], checkpoint.theta - before, _rounding(state, checkpoint.theta))
                hashes.keep(step, now)  # before the rows, and after the comparison with rows that have none
                steps, before = [*steps, step], checkpoint.theta
            new = [] if found.there else [*new, step]
            found.write()
            seen.append(step)
    return seen


@contextmanager
def _taken_back(folder: RowFolder, steps: Sequence[int]) -> Iterator[None]:
    """Where rows that are there prove to be of other checkpoints, those that came between them go again."""
    try:
        yield
    except RowFolderError:
        for step in steps:
            folder.drop(step)
        raise


def _put_update(found: StepRows, since: int, way: Float[Tensor, " params"], slack: float) -> None:
    """Put the way from the checkpoint before, or compare it with the updates that lie between, as a recorder's do."""
    between = [at for at in found.folder.steps if since < at <= found.step]
    if not found.there or (between == [found.step] and UPDATE not in found.there):
        found.put(UPDATE, way, slack)
    else:
        found.require_way(between, way, slack)


def _put_gradients(
    found: StepRows, checkpoint: Checkpoint, tasks: Tasks, nulls: Sequence[Tasks], *, compares: bool
) -> None:
    """Put the gradients that are missing; if gradients are compared, also the tasks' own and the first draw's."""
    own: Rows = {}
    for number, some in enumerate([tasks, *nulls]):
        names = {task: permuted_stream(number - 1, task) if number else gradient_of(task) for task in tasks.losses}
        if found.there >= set(names.values()) and not (compares and number <= 1):
            continue
        rows = some.rows(checkpoint)
        _require_changed(own, rows)
        own = own or rows
        for task, row in rows.items():
            found.put(names[task], row)


def _require_changed(rows: Rows, null: Rows) -> None:
    if same := [task for task, row in rows.items() if row.any() and torch.equal(row, null[task])]:
        raise ValueError(
            f"the gradient of task {same[0]!r} does not change when the targets of its batches are permuted: its loss "
            "takes targets from elsewhere; give permute=, a function of batch and generator, or permutations=0"
        )


def _require_broken_as_before(found: StepRows, broken: Sequence[str]) -> None:
    if found.there and (EVERY in found.there) != bool(broken):
        now, then = ("not finite", "had rows") if broken else ("finite", "had none, as its parameters were not finite")
        raise RowFolderError(
            f"{found.folder.path}, step {found.step:,}: the parameters are {now}, and the step {then}: the folder is "
            "of other checkpoints; choose another one by rows=, or delete it"
        )


def broken_parameters(module: nn.Module, state: Mapping[str, object]) -> list[str]:
    """Names of the parameters of which a state has a value that is not finite.

    Examples
    --------
    >>> broken_parameters(nn.Linear(1, 1), {"weight": torch.full((1, 1), torch.nan), "bias": torch.zeros(1)})
    ['weight']
    """
    names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    values = {name: state[name] for name in sorted(names & set(state))}
    return [
        name
        for name, value in values.items()
        if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all()
    ]


def _rounding(state: Mapping[str, object], theta: Float[Tensor, " params"]) -> float:
    """How far rounding to the checkpoints' dtype may move the difference of two."""
    kinds = {value.dtype for value in state.values() if isinstance(value, Tensor) and value.is_floating_point()}
    return 2 * max(torch.finfo(kind).eps for kind in kinds) * float(theta.norm()) if kinds else 0.0
