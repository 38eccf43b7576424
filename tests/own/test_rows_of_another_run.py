"""Rows that are there already and are of another run, batch or loss: refused, and what was there stays as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import sedlib
from sedlib.base.errors import UserError
from sedlib.own.measure_run import measure
from sedlib.own.row_folder import RowFolder
from sedlib.own.step_file import RowFolderError
from sedlib.vectors import ParamLayout
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, TARGETS, H, Network

pytestmark = pytest.mark.usefixtures("production")

SLOTS = ParamLayout.select(Network(), "first.weight", "second.weight")
FEW: dict[str, Any] = {"random": 2, "matched": 0, "permutations": 0, "windows": (1,), "slots": SLOTS}
States = dict[int, dict[str, Tensor]]
OTHER_BATCH = (H.flip(0), TARGETS.T)


def trained(after: Callable[[int, nn.Module], Any], rate: float = 0.05) -> None:
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    for step in range(STEPS[-1] + 1):
        after(step, network)
        optimizer.zero_grad()
        sum(loss(network, BATCH) for loss in LOSSES.values()).backward()  # type: ignore[union-attr]
        optimizer.step()


def states_of(rate: float = 0.05, steps: tuple[int, ...] = STEPS) -> States:
    found: States = {}

    def keep(step: int, network: nn.Module) -> None:
        if step in steps:
            found[step] = {name: value.clone() for name, value in network.state_dict().items()}

    trained(keep, rate)
    return found


def record(folder: Path, batch: Any = BATCH, rate: float = 0.05, last: int = STEPS[-1], **options: Any) -> None:
    recorders: list[sedlib.Recorder] = []

    def after(step: int, network: nn.Module) -> None:
        def losses(network: nn.Module) -> dict[str, Tensor]:
            return {task: loss(network, batch) for task, loss in LOSSES.items()}

        if not recorders:
            recorders.append(sedlib.Recorder(folder, network, losses, slots=SLOTS, **options))
        if step <= last:
            recorders[0].after(step)

    trained(after, rate)


def measured(states: States, **options: Any) -> pd.DataFrame:
    given = {"tasks": LOSSES, "batches": [BATCH], "probes": PROBES}
    return measure(lambda: states.items(), Network(), **{**given, **FEW, **options})


def test_denser_rows_of_another_run_with_the_same_first_state_are_refused(tmp_path: Path) -> None:
    record(tmp_path, every=5)
    assert len(measured(states_of(), rows=tmp_path))
    for file in tmp_path.glob("state-*"):
        file.unlink()
    with pytest.raises(RowFolderError, match=r"step 10: 'update' of 2 steps is there, and differs by .* of its norm"):
        measured(states_of(rate=0.2), rows=tmp_path)


def test_rows_that_a_recorder_replaced_are_measured_anew(tmp_path: Path) -> None:
    record(tmp_path / "rows", every=10)
    measured(states_of(), rows=tmp_path / "rows")
    record(tmp_path / "rows", OTHER_BATCH, every=10, on_restart="replace")
    found = measured(states_of(), rows=tmp_path / "rows", batches=[OTHER_BATCH])
    record(tmp_path / "fresh", OTHER_BATCH, every=10)
    pd.testing.assert_frame_equal(found, measured(states_of(), rows=tmp_path / "fresh", batches=[OTHER_BATCH]))


def test_steps_between_those_of_a_folder_leave_it_as_it_was(tmp_path: Path) -> None:
    record(tmp_path, every=20)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(RowFolderError, match="step 20: 'update' is there, and differs by"):
        measured(states_of(), rows=tmp_path)
    assert RowFolder(tmp_path, SLOTS).steps == [0, 20]
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert len(measured(states_of(steps=(0, 20)), rows=tmp_path, windows=(2,)))


def test_a_step_that_was_deleted_as_broken_is_taken_again(tmp_path: Path) -> None:
    found = measured(states_of(), rows=tmp_path)
    (tmp_path / "step-000000010.safetensors").unlink()
    pd.testing.assert_frame_equal(measured(states_of(), rows=tmp_path), found)


@pytest.mark.filterwarnings("ignore:step .* is not taken")
@pytest.mark.parametrize("was_finite", [True, False])
def test_a_gradient_does_not_turn_finite_or_broken(was_finite: bool, tmp_path: Path) -> None:
    def tasks(finite: bool) -> dict[str, Any]:
        def sign(module: Any, batch: Any) -> Tensor:
            first = torch.equal(module.first.bias, start)
            return LOSSES["sign"](module, batch) * (1.0 if finite or not first else float("nan"))

        return {**LOSSES, "sign": sign}

    states = states_of()
    start = states[0]["first.bias"]
    measured(states, rows=tmp_path, tasks=tasks(was_finite))
    said = "is not finite, and it was finite" if was_finite else "is finite, and it was left out"
    with pytest.raises(RowFolderError, match=f"step 0: 'gradient/sign' {said} when the rows there were taken"):
        measured(states, rows=tmp_path, tasks=tasks(not was_finite))


def test_a_folder_of_states_is_no_folder_of_rows(tmp_path: Path) -> None:
    record(tmp_path / "rows", every=10, states=tmp_path / "states")
    before = {file.name: file.read_bytes() for file in (tmp_path / "states").iterdir()}
    for on_restart in ("compare", "replace"):
        with pytest.raises(RowFolderError, match=r"got step-000000000.safetensors and no about.json: are these states"):
            record(tmp_path / "states", every=10, on_restart=on_restart)
    assert {file.name: file.read_bytes() for file in (tmp_path / "states").iterdir()} == before


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_loop_on_another_trajectory_leaves_the_states_as_they_were(tmp_path: Path) -> None:
    rows, states = tmp_path / "rows", tmp_path / "states"
    record(rows, every=10, states=states)
    before = bytes_in(states)
    with pytest.raises(RowFolderError, match="step 10: 'gradient/sign' is there, and differs by"):
        record(rows, rate=0.2, every=10, states=states)
    assert bytes_in(states) == before
    (states / "step-000000020.safetensors").unlink()
    record(rows, every=10, states=states)  # the same loop again brings what is missing
    assert bytes_in(states) == before


def test_states_of_steps_that_are_replaced_go_with_their_rows(tmp_path: Path) -> None:
    rows, states = tmp_path / "rows", tmp_path / "states"
    record(rows, every=10, states=states)
    record(rows, rate=0.2, last=10, every=10, states=states, on_restart="replace")
    assert sedlib.Checkpoints(states).steps == RowFolder(rows, SLOTS).steps == [0, 10]
    module = Network()
    torch.testing.assert_close(sedlib.Checkpoints(states)[1].state(module), states_of(rate=0.2)[10])


def test_states_of_another_run_and_rows_are_no_place_for_states(tmp_path: Path) -> None:
    rows, states = tmp_path / "rows", tmp_path / "states"
    record(rows, every=10, states=states)
    before = bytes_in(rows), bytes_in(states)
    with pytest.raises(UserError, match=r"states: .* has a state of step 0, and .*new no rows: it is of another run"):
        record(tmp_path / "new", every=10, states=states, on_restart="replace")
    with pytest.raises(UserError, match=r"states: expected a folder of states, or a new one, got .*, which has rows"):
        record(tmp_path / "new", every=10, states=rows)
    assert (bytes_in(rows), bytes_in(states)) == before


@pytest.mark.parametrize("header", [{}, {"sedlib": "x"}, {"sedlib": "[1]"}, {"sedlib": "{}"}])
def test_a_file_without_a_hash_of_its_rows_is_named(header: dict[str, str], tmp_path: Path) -> None:
    folder = RowFolder(tmp_path, SLOTS)
    save_file({"update": torch.zeros(SLOTS.size)}, tmp_path / "step-000000010.safetensors", header)
    with pytest.raises(RowFolderError, match=r"step-000000010.safetensors: no file of rows, .* delete it, and take"):
        folder.row(10, "update")


def test_two_calls_do_not_take_rows_in_one_folder(tmp_path: Path) -> None:
    def sign(module: Any, batch: Any) -> Tensor:
        with pytest.raises(UserError, match=r"rows: another call takes rows in .*: wait until it has ended, or choose"):
            measured(states, rows=tmp_path)
        return LOSSES["sign"](module, batch)

    states = states_of(steps=(0, 10))
    tasks = {**LOSSES, "sign": sign}
    measured(states, rows=tmp_path, tasks=tasks)
    assert len(measured(states, rows=tmp_path))
