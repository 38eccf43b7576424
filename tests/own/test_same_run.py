"""Rows and responses are of one run: a state that changes between passes, or between calls, is refused by name."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

import sedlib
from sedlib.base.errors import UserError
from sedlib.own.measure_run import measure
from sedlib.own.row_folder import RowFolder
from sedlib.own.step_file import RowFolderError
from sedlib.own.taking.rows_again import RowsAgain
from sedlib.own.taking.run_losses import Tasks
from sedlib.own.taking.taken_rows import take_rows
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.sketches.sketch import CountSketch
from sedlib.vectors import ParamLayout
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, Network, train

pytestmark = pytest.mark.usefixtures("production")

SLOTS = ParamLayout.select(Network(), "first.weight", "second.weight")
FEW: dict[str, Any] = {"random": 2, "matched": 0, "permutations": 0, "windows": (1,), "slots": SLOTS}
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder


def state_at(run: Path, step: int) -> State:
    found: State = torch.load(run / f"step-{step}.pt", weights_only=True)["model"]
    return found


def moved(state: State, name: str) -> State:
    return {**state, name: state[name] + 1e-6}


def measured(checkpoints: Any, **options: Any) -> pd.DataFrame:
    return measure(checkpoints, Network(), LOSSES, [BATCH], PROBES, **FEW, **options)


def passes(run: Path, *changes: Callable[[int, State], State], steps: tuple[tuple[int, ...], ...]) -> Any:
    """A function of states that yields other ones, or other steps, at each call."""
    calls = iter(range(len(steps)))

    def states() -> Iterator[tuple[int, State]]:
        number = next(calls)
        return ((step, changes[number](step, state_at(run, min(step, 30) // 10 * 10))) for step in steps[number])

    return states


def at_step(changed: int, name: str) -> Callable[[int, State], State]:
    return lambda step, state: moved(state, name) if step == changed else state


def as_saved(step: int, state: State) -> State:
    return state


@pytest.mark.parametrize("name", ["first.weight", "heads.1.bias"])  # a slot, and a part of the network beside them
def test_other_states_in_the_last_pass_are_refused_by_step_and_tensor(name: str, run: Path) -> None:
    states = passes(run, as_saved, as_saved, at_step(20, name), steps=(STEPS,) * 3)
    with pytest.raises(RowFolderError, match=rf"step 20: '{name}' is not as it was when the rows there were taken"):
        measured(states)


def test_several_tensors_are_listed(run: Path) -> None:
    states = passes(run, as_saved, as_saved, lambda step, state: state_at(run, 30), steps=(STEPS,) * 3)
    with pytest.raises(RowFolderError, match=r"step 0: 'first.bias', .* and \d more are not as they were"):
        measured(states)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (
            STEPS[:-1],
            "expected step 30 again after 3 of 4 steps, got no more; the function of states must yield the same",
        ),
        ((*STEPS, 40), "expected no more after 4 of 4 steps, got step 40"),
        ((0, 5, 20, 30), "expected step 10 again after 1 of 4 steps, got step 5"),
        ((10, 20, 30), "expected step 0 again after 0 of 4 steps, got step 10"),
    ],
)
def test_other_steps_in_the_last_pass_are_refused(last: tuple[int, ...], message: str, run: Path) -> None:
    states = passes(run, *(as_saved,) * 3, steps=(STEPS, STEPS, last))
    with pytest.raises(UserError, match=message):
        measured(states)


def test_files_that_are_replaced_while_they_are_measured_are_refused(run: Path, tmp_path: Path) -> None:
    for step in STEPS:
        shutil.copy(run / f"step-{step}.pt", tmp_path)
    (folder := tmp_path / "rows").mkdir()

    def sign(module: Any, batch: Any) -> Tensor:
        if (folder / "step-000000020.safetensors").exists():  # the last step's rows: another run is put in place
            torch.save(moved(state_at(run, 10), "second.bias"), tmp_path / "step-10.pt")
        return LOSSES["sign"](module, batch)

    tasks = {**LOSSES, "sign": sign}
    with pytest.raises(RowFolderError, match=r"step 10: 'second.bias' is not as it was"):
        measure(Checkpoints(tmp_path), Network(), tasks, [BATCH], PROBES, rows=folder, **FEW)


@pytest.mark.parametrize("denser", [False, True])
def test_a_later_call_is_refused_states_that_differ_beside_the_slots(denser: bool, run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    first = measured(lambda: ((step, state_at(run, step)) for step in STEPS), rows=rows)
    pd.testing.assert_frame_equal(measured(Checkpoints(run), rows=rows), first)  # the same states in another way
    if denser:  # updates are not compared where rows lie between two checkpoints
        shutil.copy(rows / "step-000000020.safetensors", rows / "step-000000025.safetensors")
    last = passes(run, *(at_step(30, "heads.0.weight"),) * 2, steps=(STEPS,) * 2)
    with pytest.raises(RowFolderError, match=rf"{rows}, step 30: 'heads.0.weight' is not as it was"):
        measured(last, rows=rows)
    first_of_all = passes(run, at_step(0, "heads.0.weight"), steps=(STEPS,))  # before any row is taken
    with pytest.raises(RowFolderError, match=rf"{rows}, step 0: 'heads.0.weight' is not as it was"):
        measured(first_of_all, rows=rows)


def test_states_of_16_bits_and_their_float32_values_are_one(run: Path, tmp_path: Path) -> None:
    narrow = {step: {name: value.bfloat16() for name, value in state_at(run, step).items()} for step in STEPS}
    wide = {step: {name: value.float() for name, value in state.items()} for step, state in narrow.items()}
    found = measured(lambda: narrow.items(), rows=tmp_path)
    pd.testing.assert_frame_equal(measured(lambda: wide.items(), rows=tmp_path), found)


@pytest.mark.parametrize("was_finite", [False, True])
@pytest.mark.filterwarnings("ignore:step .* no row is taken")
def test_a_step_does_not_turn_finite_or_broken(was_finite: bool, run: Path, tmp_path: Path) -> None:
    def run_of(finite: bool) -> Any:
        def change(step: int, state: State) -> State:
            return state if finite or step != 20 else {**state, "first.bias": torch.full((6,), torch.nan)}

        return passes(run, *(change,) * 3, steps=(STEPS,) * 3)

    measured(run_of(was_finite), rows=tmp_path)
    said = "are not finite, and the step had rows" if was_finite else "are finite, and the step had none, as its"
    with pytest.raises(RowFolderError, match=f"step 20: the parameters {said}"):
        measured(run_of(not was_finite), rows=tmp_path)


def test_rows_that_are_taken_again_are_of_the_same_state(run: Path, tmp_path: Path) -> None:
    for step in STEPS:
        shutil.copy(run / f"step-{step}.pt", tmp_path)
    checkpoints, tasks = Checkpoints(tmp_path), Tasks(LOSSES, [BATCH])
    folder = RowFolder(tmp_path / "rows", SLOTS, sketch=CountSketch(40))
    take_rows(checkpoints, Network(), tasks, [], folder)
    again = RowsAgain(checkpoints, Network(), folder, tasks, [])
    assert len(list(again.rows("gradient/sign", [10, 20]))) == 2
    torch.save(moved(state_at(run, 20), "first.bias"), tmp_path / "step-20.pt")
    with pytest.raises(RowFolderError, match=r"step 20: 'first.bias' is not as it was"):
        list(again.rows("gradient/sign", [10, 20]))


def test_hashes_go_with_the_rows_that_a_recorder_replaces(run: Path, tmp_path: Path) -> None:
    measured(Checkpoints(run), rows=tmp_path)
    RowFolder(tmp_path, SLOTS).drop_from(20)
    assert sorted(file.name for file in tmp_path.glob("state-*")) == ["state-000000000.json", "state-000000010.json"]


@pytest.mark.parametrize(("text", "message"), [("{", "no JSON"), ("[1]", r"expected hashes by tensor, got \[1\]")])
def test_broken_hashes_are_refused(text: str, message: str, run: Path, tmp_path: Path) -> None:
    measured(Checkpoints(run), rows=tmp_path)
    (tmp_path / "state-000000010.json").write_text(text)
    with pytest.raises(RowFolderError, match=f"state-000000010.json: {message}.*; delete it"):
        measured(Checkpoints(run), rows=tmp_path)


def test_a_recorders_rows_are_tied_to_their_states_by_the_first_call(run: Path, tmp_path: Path) -> None:
    network = Network()
    rows, states = tmp_path / "rows", tmp_path / "states"

    def losses(network: Any) -> dict[str, Tensor]:
        return {task: loss(network, BATCH) for task, loss in LOSSES.items()}

    with sedlib.Recorder(rows, network, losses, slots=SLOTS, every=10, states=states) as recorder:
        train(tmp_path, after=recorder.after, network=network)
    measured(Checkpoints(states), rows=rows)
    assert len(list(rows.glob("state-*"))) == len(STEPS)
    measured(Checkpoints(tmp_path), rows=rows)  # of the same run, in files of another format
