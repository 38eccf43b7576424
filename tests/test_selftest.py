"""Every routine has a check, each check finds a fault of a thousandth in one entry, and the command names it."""

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator

import sedlib
from sedlib.cli import main
from sedlib.selftest.all_checks import CHECKS
from sedlib.selftest.check import Check
from sedlib.selftest.differences import DifferentKindError, error_of, same_bits
from sedlib.selftest.outcome import outcome_of
from sedlib.selftest.selftest_command import selftest
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import NETWORK
from sedlib.vectors import ParamLayout
from tests.imports import ROOT
from tests.test_listing import LIBRARY, public_names

FLOAT32 = Setting(torch.device("cpu"), torch.float32)
SHARE = 1e-3
"""By which the largest entry of a result is changed."""
BY_NAME = {check.name: check for check in CHECKS}
NOT_CHECKED = {
    "attention_modules.attention_modules": "finds modules, and computes nothing",
    "coupling_plot.plot_coupling": "draws, and computes nothing",
    "measure_run.measure": "a pass over routines that are checked one by one",
    "gradients.require_equal_lengths": "refuses arguments, and computes nothing",
    "bases.RollingBases": "rolling_bases gives it, and its check is of what it holds",
    "products.window_blocks": "takes blocks of a band apart for the readings, whose checks are of it too",
    "recorder.Recorder": "writes the rows of task_gradients and adam.last_step, whose checks are of them",
    "recorder_callback.RecorderCallback": "hands what a Trainer has to a Recorder",
    "row_folder.RowFolder": "writes rows and reads them, and computes nothing",
    "sampling.RandomDirections": "random_directions gives it",
}


def test_names_are_different() -> None:
    assert len(BY_NAME) == len(CHECKS)


def computes(found: object) -> bool:
    """Whether it is a function, or a class with methods of its own that is no error and no protocol."""
    if not inspect.isclass(found):
        return callable(found)
    if issubclass(found, Exception) or getattr(found, "_is_protocol", False):
        return False
    named = {name for name, value in vars(found).items() if inspect.isroutine(inspect.unwrap(value))}
    return any(not name.startswith("_") or name in ("__getitem__", "__call__") for name in named)


def public_routines() -> Iterator[str]:
    """Of every module of the library, and what the listing has from elsewhere."""
    for module in LIBRARY:
        for name in public_names(module):
            if computes(getattr(import_module(f"sedlib.{module}"), name)):
                yield f"{module}.{name}"
    for name in dir(sedlib):
        found = getattr(sedlib, name)
        if not isinstance(found, ModuleType) and computes(found):
            yield f"{found.__module__.rpartition('.')[2]}.{name}"


@pytest.mark.parametrize("routine", sorted(set(public_routines())))
def test_every_public_routine_is_checked_or_there_is_a_reason(routine: str) -> None:
    checked = any(name == routine or name.startswith(f"{routine}.") for name in BY_NAME)
    assert checked != (routine in NOT_CHECKED), f"add a check of {routine} to sedlib/selftest/checks"


class Fault:
    """Changes the part numbered ``part`` of whatever a routine gives, in its largest entry."""

    def __init__(self, part: int, share: float = SHARE) -> None:
        self._part, self._share = part, share
        self.parts = 0
        """How many there are, once the routine was called."""

    def planted_in(self, routine: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(routine)
        def faulty(*arguments: Any, **named: Any) -> Any:
            return self.changed(routine(*arguments, **named))

        return faulty

    def changed(self, result: Any) -> Any:
        self._seen = 0
        changed = self._changed(result)
        self.parts = max(self.parts, self._seen)
        return changed

    def _changed(self, value: Any) -> Any:
        if callable(value) and not isinstance(value, type | LinearOperator | torch.nn.Module):
            return self.planted_in(value)
        if inspect.isgenerator(value):
            return (self.changed(item) for item in value)
        if isinstance(value, dict):
            return {name: self._changed(part) for name, part in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: self._changed(getattr(value, f.name)) for f in fields(value) if f.init})
        if isinstance(value, list | tuple | range):
            parts = [self._changed(part) for part in value]
            return tuple(parts) if isinstance(value, tuple) else parts
        if isinstance(value, str | torch.dtype) or value is None:
            return value
        self._seen += 1
        if self._seen - 1 != self._part:
            return value
        return self._of_one(value)

    def _of_one(self, value: Any) -> Any:
        if isinstance(value, slice):
            return slice(value.start + 1, value.stop + 1)
        if isinstance(value, LinearOperator):
            return (1 + self._share) * value
        if isinstance(value, bool | int):
            return not value if isinstance(value, bool) else value + 1
        if isinstance(value, float):
            return value * (1 + self._share) if value else self._share
        changed = value.contiguous().clone() if isinstance(value, torch.Tensor) else np.array(value)
        flat = changed.reshape(-1)
        if changed.dtype in (torch.bool, bool):
            flat[0] = not flat[0]
        elif changed.dtype in (torch.int64, np.int64):
            flat[0] += 1
        else:
            place = int(np.abs(np.asarray(flat.detach() if isinstance(flat, torch.Tensor) else flat)).argmax())
            flat[place] = flat[place] * (1 + self._share)
        return changed


def owner_and_attribute(name: str) -> tuple[Any, str]:
    """Where a check's routine is looked up."""
    module, *path = name.split(".")
    (file,) = [file for file in (ROOT / "sedlib").rglob(f"{module}.py") if "checks" not in file.parts]
    owner: Any = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    for step in path[:-1]:
        owner = getattr(owner, step)
    return owner, path[-1]


METHODS = {
    "checkpoint.Checkpoint": "at",
    "centroid_function.CentroidFunction": "__call__",
    "probes.Probes": "embedded",
    "positions.Positions": "__getitem__",
    "sketch.CountSketch": "__call__",
    "trajectory.Displacements": "__getitem__",
    "projection.RollingHistory": "basis",
    "stepping.TrainingStep": "moment",
}
"""The method that gives the result, of checks that are named after a class."""


def plant(monkeypatch: pytest.MonkeyPatch, name: str, fault: Fault) -> None:
    owner, attribute = owner_and_attribute(f"{name}.{METHODS[name]}" if name in METHODS else name)
    monkeypatch.setattr(owner, attribute, fault.planted_in(getattr(owner, attribute)))


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SEDLIB_DEVICE", "cpu")
    monkeypatch.setenv("SEDLIB_THREADS", "1")
    threads = torch.get_num_threads()
    yield tmp_path / "sedlib/selftest"
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")


@pytest.fixture
def no_record(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedlib.selftest.selftest_command.write_record", lambda build, failed: "nowhere")


@cache
def prepared(name: str) -> Check:
    """The check, whose oracle is asked once for all faults."""
    check = BY_NAME[name]
    expected = check.pair(FLOAT32)[1]()
    return Check(name, check.tolerance, lambda setting: (check.pair(setting)[0], lambda: expected))


def scaled_backward(losses: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def faulty(network: torch.nn.Module, *batch: torch.Tensor) -> torch.Tensor:
        found = losses(network, *batch)
        found.register_hook(lambda gradient: gradient * (1 + SHARE))
        return found

    return faulty


def first_alone(layout: ParamLayout) -> ParamLayout:
    return replace(layout, names=layout.names[:1], shapes=layout.shapes[:1], slots=layout.slots[:1])


FAULTS_OF_ANOTHER_KIND: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "losses.task_losses.backward": ("losses.task_losses", scaled_backward),
    "randomness.generator": ("randomness.generator", lambda original: lambda seed, name: original(seed + 1, name)),
    "vectors.ParamLayout.attention": (
        "vectors.ParamLayout.attention",
        lambda original: lambda *given, **named: first_alone(original(*given, **named)),
    ),
    "saved_checkpoints.Checkpoints": (
        "saved_checkpoints.SavedCheckpoint.state",
        lambda original: lambda *given: Fault(0).changed(original(*given)),
    ),
    "trajectory.random_walk_null": (
        "trajectory.random_walk_null",
        lambda original: lambda *given: original(*given) * (1 + SHARE),
    ),
}


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - FAULTS_OF_ANOTHER_KIND.keys()))
def test_a_fault_in_any_part_of_a_result_is_found_and_named(
    name: str, no_record: None, capsys: pytest.CaptureFixture[str]
) -> None:
    part, parts = 0, 1
    while part < parts:
        fault = Fault(part)
        with pytest.MonkeyPatch.context() as patch:
            plant(patch, name, fault)
            code = selftest(checks=[prepared(name)])
        assert code == 1, f"{name}: part {part} of its result is wrong, and nobody sees it"
        assert f"1 routines failed on cpu: {name}\n" in capsys.readouterr().err
        part, parts = part + 1, fault.parts


@pytest.mark.parametrize("name", FAULTS_OF_ANOTHER_KIND)
def test_a_fault_of_another_kind_is_found_and_named(
    name: str, no_record: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    routine, wrong = FAULTS_OF_ANOTHER_KIND[name]
    owner, attribute = owner_and_attribute(routine)
    monkeypatch.setattr(owner, attribute, wrong(getattr(owner, attribute)))
    assert selftest(checks=[prepared(name)]) == 1
    assert f"1 routines failed on cpu: {name}\n" in capsys.readouterr().err


def test_no_tolerance_hides_a_fault_of_a_thousandth() -> None:
    for check in CHECKS:
        for dtype in (torch.float32, torch.float64):
            assert check.tolerance.allowed(dtype) < SHARE, check.name
            assert check.tolerance.reason


def of_values(*values: Any, expected: Any = 1.0) -> Check:
    """A check whose routine gives one value after another."""
    given = iter(values)

    def result() -> Any:
        value = next(given)
        if isinstance(value, Exception):
            raise value
        return value

    return Check("of.values", NETWORK, lambda _: (result, lambda: expected))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([1.0, 1.0], ""),
        ([1.1], "too far from its oracle"),
        ([float("nan")], "too far from its oracle"),
        ([1.0, 1.0 + 1e-7], "the same call gave other bits"),
        ([np.ones(2)], r"DifferentKindError: expected shape (), got shape (2,)"),
        ([[1.0, 1.0]], "DifferentKindError: expected nothing, got shape ()"),
        ([TypeError("Cannot convert a MPS Tensor\nto float64")], r"TypeError: Cannot convert a MPS Tensor\nto float64"),
    ],
)
def test_what_fails_says_why(values: list[Any], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert outcome_of(of_values(*values), FLOAT32).problem == problem


def test_one_thread_must_agree_too(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    assert not outcome_of(of_values(1.0, 1.0, 1.0 + 1e-7), FLOAT32).problem
    outcome = outcome_of(of_values(1.0, 1.0, 1.5), FLOAT32)
    assert (outcome.error, outcome.problem) == (0.5, "too far from its oracle on one thread")
    assert threads == [1, 2] * 4


def test_errors_are_shares_of_each_parts_largest_entry() -> None:
    assert error_of([torch.tensor([100.0, 1.0]), 4], [torch.tensor([100.0, 2.0]), 4]) == 0.01
    assert error_of({"a": 3}, [2]) == 0.5
    assert error_of(torch.zeros(2), torch.zeros(2)) == 0
    assert error_of(torch.tensor(1e-30), torch.tensor(0.0)) == float("inf")
    with pytest.raises(DifferentKindError):
        error_of([1.0], [1.0, 2.0])
    assert same_bits([1.0, torch.ones(2)], [1.0, torch.ones(2)])
    assert not same_bits([1.0], [1.0, 2.0])


SOME = [BY_NAME[name] for name in ("products.gram", "leads.growth")]


def test_the_command_prints_a_table_with_versions_and_keeps_a_record(
    cache_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert selftest(checks=SOME) == 0
    printed = capsys.readouterr()
    for name in ("PyTorch", "NumPy", "SciPy", "h5py", "Python", "processor", "threads", "precision"):
        assert f"\n{name} " in printed.out, name
    assert "products.gram" in printed.out
    assert printed.out.count("passed") == 2
    assert "all 2 routines passed on cpu" in printed.err
    (record,) = cache_folder.glob("*.json")
    assert json.loads(record.read_text())["failed"] == []


def test_a_failure_is_named_and_recorded_and_the_code_is_1(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(monkeypatch, "products.gram", Fault(0))
    assert selftest(checks=SOME, json=True) == 1
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert not found["passed"]
    assert [routine["routine"] for routine in found["routines"] if routine["problem"]] == ["products.gram"]
    assert "error: 1 of 2 routines failed on cpu: products.gram" in printed.err
    (record,) = cache_folder.glob("*.json")
    assert json.loads(record.read_text())["failed"] == ["products.gram"]


@pytest.mark.slow
def test_another_precision_decides_nothing_for_the_stages(cache_folder: Path) -> None:
    assert selftest("float64", checks=[check for check in CHECKS if check.tolerance.computed_in is None]) == 0
    assert not cache_folder.exists()


@pytest.mark.slow
def test_the_whole_command_passes_here(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["selftest", "--device", "cpu"])
    assert f"all {len(CHECKS)} routines passed" in capsys.readouterr().err
