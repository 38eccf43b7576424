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
from sedlib.own.memory_free import memory_free
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
    ({"windows": (1.5,)}, "windows: expected whole numbers, got a float"),
    ({"windows": (True,)}, r"windows: expected whole numbers, got a bool \(True\)"),
    ({"windows": (0,)}, "expected windows of a row or more"),
    ({"measured": -3}, "measured = -3"),
    ({"measured": 0}, "expected a random direction, a measured checkpoint, .* measured = 0"),
    ({"response": "JVP"}, "response: expected one of difference, jvp, got 'JVP'"),
    ({"response": None}, "response: expected one of difference, jvp, got None"),
    ({"dtype": "Float32"}, "dtype: expected one of float32, float16, bfloat16, got 'Float32'"),
    ({"slots": ["first.*", "second.*"]}, r"slots: expected 'attention', a glob or a ParamLayout, got a list; .* globs"),
    ({"slots": 5}, r"slots: expected 'attention', a glob or a ParamLayout, got an int \(5\)"),
    ({"permutations": -2}, "permutations = -2"),
    ({"permutations": 2, "permute": lambda batch, draw: None}, "permute: expected a function that returns the batch"),
    ({"permutations": 2, "batches": [(BATCH[0], BATCH[1] * 0)]}, "permuting equal ones changes nothing"),
    ({"module": nn.LazyLinear(2), "slots": "*"}, "'weight', 'bias' have no size yet; run the module once on a batch"),
    (
        {"module": Network().to("meta")},
        "'second.weight' and 5 more on the meta device, without values: build it outside",
    ),
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
    (lambda: [(10**18, state())], "step 1,000,000,000,000,000,000: expected 0 to 999,999,999,999,999,999; number the"),
]


@pytest.mark.parametrize(("states", "message"), STATES)
def test_a_function_of_states_that_yields_something_else_is_refused(states: Any, message: str) -> None:
    with pytest.raises((UserError, ValueError), match=message):
        measured(states)


def test_a_step_that_no_file_name_holds_is_refused_before_any_work(run: Path, tmp_path: Path) -> None:
    files = sorted(run.glob("*.pt"))
    largest = sedlib.Checkpoints(files, steps=[0, 1, 2, 10**18 - 1])
    assert set(measured(largest, rows=tmp_path / "rows")["step"]) == {10**18 - 1}
    beyond = sedlib.Checkpoints(files, steps=[0, 1, 2, 10**18])
    with pytest.raises(UserError, match="step 1,000,000,000,000,000,000: expected 0 to 999,999"):
        measured(beyond, rows=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    folder = sedlib.RowFolder(tmp_path / "rows", SLOTS)
    for step in (10**18, -5):
        with pytest.raises(UserError, match="expected 0 to 999,999"):
            folder.append(step, {"update": torch.ones(60)})


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
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place, why in [
        (tmp_path / "file", "file' is a file; choose another place"),
        (f"{tmp_path}/file/x", r"got '.*file/x': '.*/file' is a file; choose"),
        (tmp_path / "link/x", "link' is a link that leads nowhere"),
        ("a\0b", r"got 'a\\x00b', which is no path"),
        ("", "got '', which is no path"),
        ("\ud800", "no file system has such a name"),
        ("a" * 5000, "File name too long"),
        (5, "a string or a Path, got an int"),
    ]:
        with pytest.raises((UserError, ValueError), match=f"^rows: expected a folder.*{why}"):
            measured(sedlib.Checkpoints(run), rows=place)
    with pytest.raises(UserError, match=r"^path: expected a folder.*file' is a file"):
        sedlib.RowFolder(tmp_path / "file/x", SLOTS)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda module: torch.compile(module, backend="eager")])
def test_a_wrapper_is_looked_through(wrap: Callable[[nn.Module], nn.Module], run: Path) -> None:
    checkpoints = sedlib.Checkpoints(sorted(run.glob("*.pt")), steps=torch.arange(4))  # type: ignore[arg-type]
    found = measured(checkpoints, module=wrap(Network()))
    pd.testing.assert_frame_equal(found, measured(checkpoints))
    assert set(found["step"]) == {3}  # of one measured checkpoint, the last


def test_a_loss_that_takes_no_permuted_batch_is_told_so(run: Path) -> None:
    class Pair(tuple[Tensor, ...]):
        h = property(lambda pair: pair[0])

    def with_names(loss: Callable[..., Any]) -> Callable[..., Any]:
        return lambda module, batch: loss(module, (batch.h, batch[1]))

    tasks = {task: with_names(loss) for task, loss in LOSSES.items()}
    options = {"tasks": tasks, "batches": [Pair(BATCH)]}
    measured(sedlib.Checkpoints(run), **options)
    message = (
        "the loss of task 'sign' fails on a batch .*'h'; this is the batch with its targets permuted.*permute=, .* pe"
    )
    with pytest.raises(UserError, match=message):
        measured(sedlib.Checkpoints(run), permutations=2, **options)


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
