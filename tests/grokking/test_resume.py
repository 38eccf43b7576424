"""Stages that train go on after kill -9, to the bytes of a run that nobody stopped."""

import os
import random
import runpy
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.grokking.interventions.cells import Cell
from sedlib.pipeline.resume.old_snapshots import FINISHED, snapshots_folder
from sedlib.pipeline.workspace import INTERVENTION_TABLES, Workspace
from tests.imports import ROOT
from tests.tiny import TINY

RUN = Workspace("both-1")
Stage = Callable[[], None]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts that train, texts of their code, and the tiny parameters; states are kept each step."""
    for name in ("train", "intervene", "constrain"):
        (tmp_path / "stages").mkdir(exist_ok=True)
        shutil.copy(ROOT / f"stages/{name}.py", tmp_path / "stages")
        (tmp_path / "artifacts/code").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"artifacts/code/{name}.txt").write_text("code\n")
    write_params(tmp_path, TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEDLIB_SNAPSHOT_SECONDS", "0")
    monkeypatch.setenv("SEDLIB_THREADS", "1")
    monkeypatch.setenv("SEDLIB_DEVICE", "cpu")
    monkeypatch.setattr("sedlib.grokking.interventions.kicks.EVERY", 5)
    monkeypatch.setattr("os.fsync", lambda _: None)  # processes are killed here, not machines
    return tmp_path


def write_params(folder: Path, values: dict[str, Any]) -> None:
    YAML().dump(values, folder / "params.yaml")


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(f"stages/{name}.py")


def training() -> None:
    script("train")["main"](RUN)


def cell(script_name: str, intervention: str, **options: Any) -> Stage:
    return lambda: script(script_name)["main"](Cell.of(RUN.run, intervention, **options), INTERVENTION_TABLES)


KINDS: dict[str, Stage] = {
    "train": training,
    "sed window": cell("intervene", "update-keep-sed"),
    "random": cell("intervene", "gradient-remove-random"),
    "coordinates": cell("intervene", "update-keep-random", coordinates=100),
    "kicks": cell("constrain", "kick", size=50.0, start=3),
}


def forked(stage: Stage, seconds: float | None = None) -> bool:
    """Run the stage in a process that is killed after so many seconds; whether it ended before."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            stage()
            os._exit(0)
        os._exit(1)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in ((0,) if seconds is None else (0, -signal.SIGKILL))
    return os.waitstatus_to_exitcode(status) == 0


def results() -> dict[str, bytes]:
    """What stages wrote, apart from texts of code and snapshots."""
    files = [path for path in Path("artifacts").rglob("*") if path.suffix in (".h5", ".csv")]
    assert files
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_that_is_killed_goes_on_to_the_same_bytes(
    workspace: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if kind == "kicks":
        training()
    KINDS[kind]()  # so that children need not import what it needs
    shutil.rmtree(snapshots_folder())
    start = time.monotonic()
    forked(KINDS[kind])
    seconds = time.monotonic() - start
    expected = results()
    shutil.rmtree(snapshots_folder())
    for path in expected:
        if kind != "kicks" or "kick" in path:
            Path(path).unlink()
    choices = random.Random(kind)
    for _ in range(3):
        forked(KINDS[kind], choices.uniform(0.2, 0.8) * seconds)
    forked(KINDS[kind])
    assert results() == expected
    assert ", from step" in capfd.readouterr().err
    assert all((folder / FINISHED).exists() for folder in snapshots_folder().iterdir())
