"""A run that is not the same in every pass: its rows and its responses would be of two runs."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sedlib
from sedlib.base.errors import UserError
from sedlib.own.row_folder import RowFolder
from sedlib.own.taking.run_states import RunStates
from sedlib.vectors import ParamLayout
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, Network, train

pytestmark = pytest.mark.usefixtures("production")
SLOTS = ParamLayout.select(Network(), "first.weight", "second.weight")
Pairs = list[tuple[int, dict[str, Tensor]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder


def measured(checkpoints: Any, **options: Any) -> Any:
    few: dict[str, Any] = {"random": 2, "matched": 0, "permutations": 0, "windows": (1,)}
    return sedlib.measure(checkpoints, Network(), LOSSES, [BATCH], PROBES, slots=SLOTS, **few, **options)


def by_pass(run: Path, *changes: Callable[[Pairs], Pairs]) -> Callable[[], Iterable[tuple[int, dict[str, Tensor]]]]:
    """A function of a run's states whose passes differ."""
    calls = iter(changes)
    return lambda: next(calls)([(saved.step, saved.state(Network())) for saved in sedlib.Checkpoints(run)])


def same(pairs: Pairs) -> Pairs:
    return pairs


def moved(pairs: Pairs) -> Pairs:
    """One number of one tensor that is in no slot, by one place of its mantissa."""
    bias = pairs[2][1]["first.bias"]
    bias[0] = torch.nextafter(bias[0], bias[0] + 1)
    return pairs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (moved, f"expected the tensors of step {STEPS[2]} that were there, as the first gave, got others"),
        (lambda pairs: pairs[:-1], f"expected step {STEPS[-1]}, as the first gave, got no such step"),
        (lambda pairs: [*pairs[:1], *pairs[2:]], f"expected step {STEPS[1]}, as the first gave, got no such step"),
        (lambda pairs: [*pairs, (99, pairs[-1][1])], "expected no such step, as the first gave, got step 99"),
    ],
    ids=["another state", "shorter", "a step less", "longer"],
)
def test_a_later_pass_that_gives_another_run_is_refused(
    run: Path, change: Callable[[Pairs], Pairs], message: str
) -> None:
    assert len(measured(by_pass(run, same, same, same)))
    with pytest.raises(UserError, match=message):
        measured(by_pass(run, same, same, change))


def test_a_first_state_that_changed_since_it_was_tried_is_refused(run: Path) -> None:
    with pytest.raises(UserError, match=f"the tensors of step {STEPS[0]} that were there"):
        measured(by_pass(run, same, lambda pairs: [(STEPS[0], pairs[1][1]), *pairs[1:]]))


def test_files_that_are_replaced_in_the_meantime_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    states = RunStates(sedlib.Checkpoints(tmp_path / "run"), Network())
    assert [step for step, _ in states] == states.any_time == list(STEPS)
    for file in (tmp_path / "run").iterdir():
        torch.save({name: value * 2 for name, value in Network().state_dict().items()}, file)
    with pytest.raises(UserError, match="leave the files as they are until the call ends"):
        list(states)
    with pytest.raises(UserError, match="leave the files as they are until the call ends"):
        states.at(STEPS[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.int64])
def test_tensors_of_any_dtype_and_size_are_compared(dtype: torch.dtype) -> None:
    for tensor in (torch.zeros(3, 2), torch.tensor(0), torch.zeros(0), torch.zeros(4, 4).T[::2]):
        state = {"a": tensor.to(dtype)}
        calls = iter([state, state, {"a": (tensor + 1).to(dtype)}])
        run = RunStates(lambda: [(0, next(calls))], nn.Linear(1, 1))  # noqa: B023
        assert len(list(run)) == len(list(run)) == 1
        if tensor.numel():
            with pytest.raises(UserError, match="the tensors of step 0"):
                list(run)


def test_a_step_that_no_file_could_be_named_by_is_refused(tmp_path: Path) -> None:
    folder = RowFolder(tmp_path, ParamLayout(("a",), ((1,),)))
    folder.append(10**18 - 1, {"update": torch.ones(1)})
    assert folder.steps == [10**18 - 1]
    for step in (10**18, -1):
        with pytest.raises(UserError, match="expected one of at least 0 and below 1,000,000,000,000,000,000"):
            folder.append(step, {"update": torch.ones(1)})
