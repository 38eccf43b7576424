"""Ordinary slips with one's own run: each is refused before rows are taken, by name and with what to do, or works."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import sedlib
from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.own.memory_free import memory_free
from sedlib.own.taking.permuted import permuted
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, Network, train

pytestmark = pytest.mark.usefixtures("production")
SLOTS = sedlib.ParamLayout.select(Network(), "first.weight", "second.weight")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder


def measured(checkpoints: Any, **options: Any) -> pd.DataFrame:
    given = {"module": Network(), "tasks": LOSSES, "batches": [BATCH], "probes": PROBES, "slots": SLOTS}
    few = {"random": 2, "matched": 0, "permutations": 0, "windows": (1,), "measured": 1}
    return sedlib.measure(checkpoints, **{**given, **few, **options})


def state() -> dict[str, Tensor]:
    return Network().state_dict()


def of_sign(loss: Callable[..., Any]) -> dict[str, Any]:
    return {"tasks": {**LOSSES, "sign": loss}}


OPTIONS: list[tuple[dict[str, Any], str]] = [
    (of_sign(lambda module: 0), r"tasks\['sign'\]: expected a function of \(module, batch\)"),
    (
        of_sign(lambda module, batch: module(batch[0])[0].sum(1)),
        "step 0: .* must be a finite scalar",
    ),
    (of_sign(lambda module, batch: batch["x"]), "the loss of task 'sign' fails on a batch .*: tuple indices must be"),
    (
        of_sign(lambda module, batch: module(batch[0]).sum() * float("nan")),
        "the gradient of 'sign' is finite at no check",
    ),
    ({"tasks": {"total": LOSSES["sign"]}}, "names other than 'total', which is the sum of the tasks"),
    ({"batches": BATCH}, r"fails on a batch \(a tensor .*; .* for a single batch give \[batch\]"),
    ({"batches": DataLoader([BATCH])}, r"got a DataLoader; list\(loader\) makes"),  # type: ignore[arg-type]
    ({"response": "JVP"}, "response: expected 'difference' or 'jvp', got 'JVP'"),
    ({"measured": 0}, "expected a random direction, a measured checkpoint.*, got .*measured = 0"),
    ({"windows": (1.5,)}, "windows: expected whole numbers, got a float"),
    ({"windows": (0,)}, "expected windows of a row or more"),
    ({"measured": -3}, "measured = -3"),
    ({"permutations": -2}, "permutations = -2"),
    ({"permutations": 2, "permute": lambda batch, draw: None}, "permute: expected a function that returns the batch"),
    ({"permutations": 2, "batches": [(BATCH[0], BATCH[1] * 0)]}, "permuting equal ones changes nothing"),
    ({"module": nn.LazyLinear(2), "slots": "*"}, "'weight', 'bias' have no size yet; run the module once on a batch"),
    ({"sketch": 10}, "sketch: expected a CountSketch"),
    ({"probes": sedlib.Probes(PROBES.inputs, lambda module, h: module(h)[:1, :, 0])}, "scores of 2 tasks .* got 1"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
@pytest.mark.filterwarnings("ignore:step .* is not taken")
def test_an_argument_that_means_nothing_is_refused(options: dict[str, Any], message: str, run: Path) -> None:
    with pytest.raises((UserError, ValueError), match=message):
        measured(sedlib.Checkpoints(run), **options)


STATES: list[tuple[Callable[[], Any], str]] = [
    (lambda: None, "a function that yields pairs .*, got None"),
    (lambda: [], "yielded none; it is called more than once, and must begin anew"),
    (lambda: [state()], r"expected pairs \(step, state dict\) of the function, got an OrderedDict"),
    (lambda: [(0, state()), (0, state())], "expected ascending steps, got 0 after 0"),
    (lambda: [(0.5, state())], r"steps: expected whole numbers, got a float \(0.5\)"),
    (lambda: [(-1, state())], "whole numbers of 0 or more, got -1"),
]


@pytest.mark.parametrize(("states", "message"), STATES)
def test_a_function_of_states_that_yields_something_else_is_refused(states: Any, message: str) -> None:
    with pytest.raises((UserError, ValueError), match=message):
        measured(states)


def test_a_function_that_can_be_called_once_alone_is_refused(run: Path) -> None:
    pairs = iter([(saved.step, saved.state(Network())) for saved in sedlib.Checkpoints(run)][:1])
    with pytest.raises(UserError, match="must begin anew each time"):
        measured(lambda: pairs)


def test_a_last_checkpoint_that_is_broken_is_refused_before_the_first_is_measured(run: Path, tmp_path: Path) -> None:
    for step in STEPS:
        shutil.copy(run / f"step-{step}.pt", tmp_path)
    (tmp_path / "step-40.pt").write_bytes((run / "step-30.pt").read_bytes()[:-100])
    checkpoints, rows = sedlib.Checkpoints(tmp_path), tmp_path / "rows"
    with pytest.raises(ValueError, match=r"step-40.pt: no zip file"):
        measured(checkpoints, rows=rows)
    torch.save({**state(), "first.weight": torch.zeros(7, 4)}, tmp_path / "step-40.pt")
    with pytest.raises(ValueError, match=r"step-40.pt: 'first.weight': expected shape \(6, 4\), got \(7, 4\)"):
        measured(checkpoints, rows=rows)
    assert not list(rows.glob("step-*"))


def test_rows_are_kept_apart_from_checkpoints_and_in_a_folder(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rows: expected a folder for rows alone, .* in which the checkpoints are"):
        measured(sedlib.Checkpoints(run), rows=run)
    (tmp_path / "file").touch()
    for place, reason in (("file", "File exists"), ("file/rows", "Not a directory"), ("\0", "embedded null byte")):
        with pytest.raises(UserError, match=f"expected a folder of rows, or none yet: {reason}"):
            measured(sedlib.Checkpoints(run), rows=tmp_path / place)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda module: torch.compile(module, backend="eager")])
def test_a_wrapper_is_looked_through(wrap: Callable[[nn.Module], nn.Module], run: Path) -> None:
    checkpoints = sedlib.Checkpoints(sorted(run.glob("*.pt")), steps=torch.arange(4))  # type: ignore[arg-type]
    found = measured(checkpoints, module=wrap(Network()))
    pd.testing.assert_frame_equal(found, measured(checkpoints))
    assert set(found["step"]) == {3}  # of one measured checkpoint, the last


def test_few_targets_are_never_left_in_their_order() -> None:
    draws = [permuted((torch.arange(2), torch.arange(2)), generator(0, str(number)))[1] for number in range(20)]
    assert all(draw.tolist() == [1, 0] for draw in draws)


def test_memory_that_a_container_leaves_is_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("0::/job/step\n1:cpu:/else\n")
    inner = tmp_path / "groups/job/step"
    inner.mkdir(parents=True)
    for folder, limit in ((inner, "max"), (inner.parent, "5000000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("4000000\n")
        (folder / "memory.stat").write_text("anon 1000000\ninactive_file 3000000\n")
    assert memory_free(tmp_path / "groups", tmp_path / "own") == 4_000_000
    assert memory_free(tmp_path / "groups", tmp_path / "none") > 4_000_000
