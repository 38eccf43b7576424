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
from sedlib.grokking.interventions.execution import constraining
from sedlib.grokking.interventions.intervened import IntervenedTraining
from sedlib.grokking.interventions.projected_steps import projecting
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.pipeline.resume.kept_states import copied, read_content, states_in, write_states
from sedlib.pipeline.resume.old_snapshots import FINISHED, snapshots_folder
from sedlib.pipeline.workspace import INTERVENTION_TABLES, Workspace
from sedlib.terms.condition import NEED_FINISHED_RUN
from tests.grokking.test_interventions import some_basis
from tests.grokking.test_training import CPU, experiment
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


@pytest.mark.slow
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


SHORT = experiment(
    run={"checkpoint_every": 3, "max_steps": 15},
    data={"train_fraction": 0.2},
    stopping={"accuracy": 1e-9, "checkpoints": 5},
)
"""Over before ``max_steps``, by the number of checkpoints that have grokked."""
SETTINGS = ProjectionParams(window=4, rank=2)


def intervened(name: str) -> IntervenedTraining:
    asked = Cell.of("both-1", name, **CASES[name])
    if asked.condition in NEED_FINISHED_RUN:
        constrained = constraining(asked, SHORT, SETTINGS, CurvatureParams(), some_basis())
        return IntervenedTraining(asked, SHORT, CPU, constrained)
    return IntervenedTraining(asked, SHORT, CPU, projecting(asked, SETTINGS, SHORT.run.seed))


CASES: dict[str, dict[str, Any]] = {
    "control": {},
    "update-keep-sed": {},
    "gradient-remove-sed-raw": {},
    "gradient-remove-random": {},
    "update-keep-random": {"coordinates": 50},
    "update-keep-execution": {},
    "kick": {"size": 50.0, "start": 2},
}


@pytest.mark.parametrize("name", CASES)
def test_a_state_holds_all_that_later_steps_depend_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sedlib.grokking.interventions.kicks.EVERY", 3)
    training, states, items = intervened(name), [], []
    while not training.is_over:
        states.append(copied(training.state_dict()))
        items.append(training.advance())
    for step in (8, 11):
        (state,) = states_in(read_content(write_states(tmp_path, "state", [states[step]])) or b"")
        other = intervened(name)
        other.load_state_dict(state)
        rest = []
        while not other.is_over:
            rest.append(other.advance())
        assert rest == items[step:]
    if name == "control":
        assert len(items) < SHORT.run.max_steps
