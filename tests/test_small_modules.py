"""Randomness, atomic writes, hardware and progress: one screen each."""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch

import sedlib.base.progress
from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.base.finite import require_finite
from sedlib.base.machine.hardware import configure, matmul_precision
from sedlib.base.machine.replays import ReplayedAt, replayed, replayed_at
from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.base.strict_json import json_text
from sedlib.cli import main
from sedlib.scores import logit_scores


def draw(seed: int, name: str) -> list[float]:
    return torch.rand(4, generator=generator(seed, name)).tolist()


def test_a_generator_depends_on_seed_and_name_alone() -> None:
    first = draw(0, "probes")
    torch.manual_seed(7)
    draw(0, "split")
    assert draw(0, "probes") == first
    assert draw(1, "probes") != first
    assert draw(0, "split") != first


def test_a_generator_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    draw(0, "probes")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_is_replaced_and_not_rewritten(tmp_path: Path) -> None:
    path, linked = tmp_path / "table.csv", tmp_path / "cache"
    path.write_text("old")
    linked.hardlink_to(path)
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert (path.read_text(), linked.read_text()) == ("new", "old")
    assert sorted(tmp_path.iterdir()) == [linked, path]


@pytest.mark.parametrize(("number", "named"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_json_holds_no_number_that_is_not_finite_and_the_message_has_its_place(number: float, named: str) -> None:
    with pytest.raises(UserError, match=rf"null for what is absent; run\.peaks\.1 is {named}$"):
        json_text({"run": {"peaks": [1.0, number], "late": None}})
    with pytest.raises(UserError, match=f"the value is {named}"):
        json_text(number)
    assert json_text({"run": [1.0, None]}) == '{"run": [1.0, null]}'


def test_precision_of_products_is_put_back() -> None:
    before = torch.get_float32_matmul_precision()
    with matmul_precision("medium"):
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == before


class StandInForCuda:
    """Counts what is recorded and what is replayed; a recording runs nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.recording = False
        self.stream: object = self
        for name in ("Stream", "current_stream", "CUDAGraph"):
            monkeypatch.setattr(torch.cuda, name, lambda: self)
        monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: setattr(self, "stream", stream))
        monkeypatch.setattr(torch.cuda, "stream", nullcontext)
        monkeypatch.setattr(torch.cuda, "graph", self.record)

    def wait_stream(self, other: object) -> None:
        pass

    @contextmanager
    def record(self, graph: object) -> Iterator[None]:
        self.recording = True
        try:
            yield
        finally:
            self.recording = False

    def replay(self) -> None:
        self.log.append("replayed")

    def function(self) -> None:
        self.log.append("recorded" if self.recording else "run")


def test_a_function_is_run_then_recorded_once_then_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = StandInForCuda(monkeypatch)
    function = replayed(cuda.function, torch.device("cuda"))
    for _ in range(5):
        function()
    assert cuda.log == ["run", "run", "run", "recorded", "replayed", "replayed"]
    assert replayed(cuda.function, torch.device("cpu")) == cuda.function


def test_a_function_of_a_tensor_is_recorded_and_its_results_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device each replay writes where the recording did; here a replay writes nothing."""
    cuda = StandInForCuda(monkeypatch)

    def squared(at: torch.Tensor) -> torch.Tensor:
        cuda.function()
        return at.square()

    function = ReplayedAt(squared, torch.zeros(2))
    given = [torch.full((2,), float(number)) for number in range(1, 6)]
    found = [function(at) for at in given]
    assert cuda.log == ["run", "run", "run", "recorded", "replayed", "replayed"]
    assert [float(values[0]) for values in found] == [1, 4, 9, 16, 16]
    assert [float(values[0]) for values in given] == [1, 2, 3, 4, 5]
    assert replayed_at(squared, torch.zeros(2)) is squared  # on the CPU


def test_a_function_that_cannot_be_recorded_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = StandInForCuda(monkeypatch)

    def waits(at: torch.Tensor) -> torch.Tensor:
        if cuda.recording:
            raise RuntimeError("operation not permitted when stream is capturing")
        cuda.function()
        return at + 1

    function = ReplayedAt(waits, torch.zeros(1))
    assert [float(function(torch.tensor([float(number)]))) for number in range(6)] == [1, 2, 3, 4, 5, 6]
    assert cuda.log == ["run"] * 6
    assert function.is_called


def test_what_is_replayed_is_of_one_shape_and_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInForCuda(monkeypatch)
    function = ReplayedAt(torch.square, torch.zeros(2))
    for other in (torch.zeros(1), torch.zeros(2, dtype=torch.float64)):
        with pytest.raises(ValueError, match=r"at: expected torch.float32 of shape \(2,\)"):
            function(other)
    assert not function.is_called


def test_memory_that_runs_out_is_no_sign_that_nothing_can_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = StandInForCuda(monkeypatch)

    def large(at: torch.Tensor) -> torch.Tensor:
        if cuda.recording:
            raise torch.OutOfMemoryError("no room")
        return at

    function = ReplayedAt(large, torch.zeros(1))
    for _ in range(3):
        function(torch.zeros(1))
    with pytest.raises(torch.OutOfMemoryError):
        function(torch.zeros(1))


def test_checks_pass_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be read while a stream records; the first calls have been checked, and the result is."""
    monkeypatch.setattr("sedlib.base.finite.is_recorded", lambda values: True)
    monkeypatch.setattr("sedlib.scores.is_recorded", lambda values: True)
    require_finite(theta=torch.tensor([float("nan")]))
    with pytest.raises(RuntimeError, match="out of bounds"):  # of gather itself, not of the check before it
        logit_scores(torch.zeros(1, 1, 2), torch.tensor([[2]]))


def test_an_error_of_the_function_itself_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInForCuda(monkeypatch)

    def fails(at: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("of the function")

    with pytest.raises(RuntimeError, match="of the function"):
        ReplayedAt(fails, torch.zeros(1))(torch.zeros(1))


def test_hardware_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    try:
        monkeypatch.setenv("SEDLIB_DEVICE", "cpu")
        monkeypatch.setenv("SEDLIB_THREADS", "1")
        assert configure() == torch.device("cpu")
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("default")


def test_configuring_does_not_load_the_compiler() -> None:
    """Which takes as long as all of PyTorch, in every stage."""
    configured = "import sys; from sedlib.base.machine.hardware import configure; configure(); "
    code = f"{configured} sys.exit('torch._inductor' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stages_are_called_by_the_python_of_an_environment_that_is_not_activated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    main(["parameters"])
    assert shutil.which("python") == str(Path(sys.executable).with_name("python"))
    monkeypatch.setenv("PATH", found := os.pathsep.join(["/first", str(Path(sys.executable).parent)]))
    main(["parameters"])
    assert os.environ["PATH"] == found
    (another := tmp_path / "python").touch(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), found]))
    assert shutil.which("python") == str(another)
    main(["parameters"])
    assert shutil.which("python") == str(Path(sys.executable).with_name("python"))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SEDLIB_THREADS", "0", "must be a whole number from 1 to 1,024, got '0'"),
        ("SEDLIB_THREADS", "two", "must be a whole number from 1 to 1,024, got 'two'"),
        ("SEDLIB_THREADS", "", "must be a whole number from 1 to 1,024, got ''"),
        ("SEDLIB_THREADS", "-1", "must be a whole number from 1 to 1,024, got '-1'"),
        ("SEDLIB_THREADS", "1e3", "must be a whole number from 1 to 1,024, got '1e3'"),
        ("SEDLIB_THREADS", "٣", "must be a whole number from 1 to 1,024, got '٣'"),
        ("SEDLIB_THREADS", "1025", "must be a whole number from 1 to 1,024, got '1025'"),
        ("SEDLIB_THREADS", "1000000000", "must be a whole number from 1 to 1,024, got '1000000000'"),
        ("SEDLIB_THREADS", "9" * 5000, "must be a whole number from 1 to 1,024, got '999.*…"),
        (
            "SEDLIB_DEVICE",
            "cuda:" + "9" * 30,
            "must be 'cpu', 'cuda', 'cuda:N', 'mps', 'xpu' or 'xpu:N', got 'cuda:999",
        ),
        ("SEDLIB_DEVICE", "cpu; touch canary", "must be 'cpu', 'cuda', 'cuda:N', 'mps', 'xpu' or 'xpu:N'"),
        ("SEDLIB_DEVICE", "gpu", "must be 'cpu', 'cuda', 'cuda:N', 'mps', 'xpu' or 'xpu:N', got 'gpu'"),
        ("SEDLIB_DEVICE", "meta", "must be 'cpu', 'cuda', 'cuda:N', 'mps', 'xpu' or 'xpu:N', got 'meta'"),
        ("SEDLIB_DEVICE", "cuda:99", "SEDLIB_DEVICE='cuda:99' cannot be used here"),
        ("SEDLIB_DEVICE", "mps", "SEDLIB_DEVICE='mps' cannot be used here: .{10,400}$"),
    ],
)
def test_impossible_hardware_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=message):
        configure()


def test_progress_is_plain_lines_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sedlib.base.progress, "SECONDS_BETWEEN_LINES", 0)
    assert list(track([1, 2], 4, "count", lambda item: f"at {item}")) == [1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("count: 1/4 at 1 [at most")
    assert lines[-1].startswith("count: done, 2 in")
    assert "\r" not in "".join(lines)
    assert list(track(iter([1, 2]), None, "count")) == [1, 2]
    assert capsys.readouterr().err.splitlines()[0] == "count: 1"


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(track([1, 2], 2, "count", lambda item: f"at {item}")) == [1, 2]
    assert "100%" in capsys.readouterr().err
