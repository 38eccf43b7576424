"""Parameters that are edited while a stage runs: by an editor, git or another terminal. DVC records the new ones."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sedlib.base.edited import watching
from sedlib.base.errors import UserError
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.sections import read_params
from sedlib.pipeline.resume.old_snapshots import FINISHED
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.studies.definition.data_files import data_files
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.definition.project_params import ProjectParams
from sedlib.studies.definition.run_settings import RunSettings
from tests.clone import Clone
from tests.tiny import TINY

FILE = Path("params.yaml")
STUDY: dict[str, Any] = {"runs": {"a-1": {"seed": 1}}}
READINGS: dict[str, tuple[dict[str, Any], Callable[[], object], dict[str, Any], str]] = {
    "a stage's own key": (TINY, BasisParams.load, {"window": 4}, r"params\.yaml: window was 3 and is 4"),
    "a key with a default": (TINY, GrokParams.load, {"grok_threshold": 0.5}, "grok_threshold was 0.9. and is 0.5"),
    "the whole file": (TINY, Params.load, {"window": 4}, "window was 3 and is 4"),
    "what the code stage reads": (TINY, lambda: read_params(FILE), {"new": 1}, "new is new"),
    "a run": (
        TINY,
        lambda: Experiment.load("add-1"),
        {"optimizer": {**TINY["optimizer"], "lr": 0.02}},
        "optimizer.lr was 0.01 and is 0.02",
    ),
    "a run that is gone": (TINY, lambda: Experiment.load("add-1"), {"runs": {"b": {}}}, "no run 'add-1'"),
    "projections": (TINY, ProjectionParams.load, {"interventions": {"window": 7}}, r"window was \d+ and is 7"),
    "a study's run": (
        STUDY,
        lambda: RunSettings.load("a-1"),
        {"training": {"steps": 7}},
        r"training\.steps was 1000 and is 7",
    ),
    "a study's file": (
        STUDY,
        ProjectParams.read,
        {"curvature_runs": ["a-1"]},
        r"curvature_runs was \[\] and is \['a-1'",
    ),
}
OWN = {"outs": ["own.csv", {"made/${item}.csv": {"cache": False}}]}
DEPENDENCIES = ["own.csv", "made", "folder", "artifacts/a.h5", "${item.checkpoints}", "gone.txt"]
ELSEWHERE: dict[str, tuple[dict[str, Any], Callable[[], object], dict[str, Any]]] = {
    "another section": (TINY, BasisParams.load, {"optimizer": {**TINY["optimizer"], "lr": 0.02}}),
    "a run that is added": (
        TINY,
        lambda: Experiment.load("add-1"),
        {"runs": {**TINY["runs"], "add-2": {"ops": ["add"], "seed": 2}}},
    ),
    "a study's other run": (STUDY, lambda: RunSettings.load("a-1"), {"runs": {"a-1": {"seed": 1}, "a-2": {"seed": 2}}}),
    "a default, written out": (STUDY, lambda: RunSettings.load("a-1"), {"training": {"steps": 1000}}),
}


class Nothing(OwnStudy):
    """A study that is never built."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(values: dict[str, Any], **changes: Any) -> None:
    FILE.write_text(json.dumps({**values, **changes}))


def stage(*actions: Callable[[], object]) -> None:
    with watching():
        for action in actions:
            action()


def edit(values: dict[str, Any], **changes: Any) -> Callable[[], None]:
    return lambda: write(values, **changes)


@pytest.mark.parametrize("name", READINGS)
def test_an_edit_of_what_was_read_is_refused_with_both_values(name: str) -> None:
    values, read, changes, message = READINGS[name]
    write(values)
    with pytest.raises(UserError, match=message) as refused:
        stage(read, edit(values, **changes))
    assert "was edited while the stage ran" in str(refused.value)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_edit_of_what_was_not_read_is_none(name: str) -> None:
    values, read, changes = ELSEWHERE[name]
    write(values)
    stage(read, edit(values, **changes))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("text.txt", lambda file: file.write_text("other")),
        ("text.txt", Path.unlink),
        ("folder/data.csv", lambda file: file.write_text("other")),
        ("runs/mine/step-20.safetensors", lambda file: file.write_text("other")),
    ],
)
def test_data_that_is_edited_is_refused_by_name(name: str, damage: Callable[[Path], object]) -> None:
    write(STUDY)
    deps = [*DEPENDENCIES, {"text.txt": {"hash": "md5"}}]
    Path("dvc.yaml").write_text(json.dumps({"stages": {"train": {"foreach": ["a"], "do": {"deps": deps}}, "own": OWN}}))
    Path("made").mkdir()
    for file in ("text.txt", "folder/data.csv", "runs/mine/step-20.safetensors", "artifacts/a.h5", "other.txt"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("data")

    def read() -> object:
        return data_files("runs/*")

    stage(read, lambda: Path("artifacts/a.h5").write_text("other"), lambda: Path("other.txt").write_text("other"))
    stage(read, lambda: Path("made/a-1.csv").write_text("of a stage"), lambda: Path("own.csv").write_text("too"))
    with pytest.raises(UserError, match=rf"dvc\.yaml: {name} (was '4 bytes of .* and is '5 bytes|is gone)"):
        stage(read, lambda: damage(Path(name)))


def test_a_run_of_a_study_watches_its_data_and_needs_no_pipeline(tmp_path: Path) -> None:
    write(STUDY)
    stage(lambda: Nothing.of_run("a-1"))
    Path("dvc.yaml").write_text("stages: {train: {cmd: x, deps: [text.txt]}}")
    Path("text.txt").write_text("data")
    with pytest.raises(UserError, match=r"text\.txt was '4"):
        stage(lambda: Nothing.of_run("a-1"), lambda: Path("text.txt").write_text("other"))


def test_an_edit_that_is_undone_is_none_and_so_is_one_before_the_stage() -> None:
    write(TINY)
    BasisParams.load()
    write(TINY, window=4)
    stage(BasisParams.load, edit(TINY), edit(TINY, window=4))


@pytest.mark.parametrize("text", ["window: [", ""])
def test_a_file_that_is_broken_or_half_written_at_the_end_is_refused(text: str) -> None:
    write(TINY)
    with pytest.raises(UserError, match="was edited while the stage ran"):
        stage(BasisParams.load, lambda: FILE.write_text(text))


def test_what_was_read_first_counts_and_an_error_of_the_stage_stays_its_own() -> None:
    write(TINY)
    with pytest.raises(UserError, match="window was 3 and is 4"):
        stage(BasisParams.load, edit(TINY, window=4), BasisParams.load)
    with pytest.raises(ZeroDivisionError):
        stage(BasisParams.load, edit(TINY), lambda: 1 / 0)


def test_snapshots_are_kept_for_a_run_with_the_edit_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEDLIB_SNAPSHOTS", str(tmp_path / "snapshots"))
    (tmp_path / "artifacts/code").mkdir(parents=True)
    (tmp_path / "artifacts/code/train.txt").write_text("")
    write(TINY)

    def run(edited: dict[str, Any]) -> None:
        script = str(tmp_path / "stages/train.py")
        with watching(), snapshots_of("a", script, {}, torch.device("cpu")):
            Experiment.load("add-1")
            write(TINY, **edited)

    with pytest.raises(UserError, match="was edited"):
        run({"optimizer": {**TINY["optimizer"], "lr": 0.02}})
    assert not list((tmp_path / "snapshots").glob(f"*/{FINISHED}"))
    write(TINY)
    run({})
    assert list((tmp_path / "snapshots").glob(f"*/{FINISHED}"))


SCRIPT = """
from pathlib import Path
from sedlib.base.script import clear_errors
from sedlib.pipeline.parameters.basis_params import BasisParams
with clear_errors():
    window = BasisParams.load().window
    if Path("edit").exists():
        Path("params.yaml").write_text("window: 4")
    Path("out").write_text(str(window))
"""


@pytest.mark.slow
def test_dvc_records_nothing_of_a_stage_whose_parameters_were_edited(tmp_path: Path) -> None:
    project = Clone(tmp_path)
    (tmp_path / "stage.py").write_text(SCRIPT)
    stage = f"stages: {{windows: {{cmd: {sys.executable} stage.py, params: [window], outs: [out]}}}}"
    (tmp_path / "dvc.yaml").write_text(stage)
    FILE.write_text("window: 3")
    (tmp_path / "edit").touch()
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, check=True, env=project.environment())
    from_root = {"PYTHONPATH": str(Path(__file__).parents[2])}
    refused = project.call("dvc", "repro", **from_root)
    assert refused.returncode != 0
    assert "window was 3 and is 4" in refused.stdout + refused.stderr
    assert not Path("dvc.lock").exists()
    assert project.repro(**from_root) == ["windows"]
    assert Path("out").read_text() == "4"
