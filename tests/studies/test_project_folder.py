"""What `sedlib init` writes, what it leaves alone, and what params.yaml may hold."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sedlib.base.errors import UserError
from sedlib.base.installed.extras import DISTRIBUTION
from sedlib.cli import main
from sedlib.pipeline.code import current
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.code.imports import imported_modules
from sedlib.studies import project_code
from sedlib.studies.definition.project_params import ProjectParams
from sedlib.studies.project_checks import is_project
from sedlib.studies.project_code import project_texts, why_again
from sedlib.studies.project_folder import TEMPLATES, write_project
from sedlib.studies.stage_scripts import STAGES, run_script, script_of
from tests.imports import ROOT
from tests.studies.tiny_project import tiny_params


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def test_an_empty_folder_becomes_a_git_and_dvc_repository(tmp_path: Path) -> None:
    written = write_project(tmp_path / "new")
    assert {"study.py", "params.yaml", "dvc.yaml", "README.md", ".gitignore", ".dvcignore"} == set(written)
    assert (tmp_path / "new/.git").is_dir()
    assert (tmp_path / "new/.dvc/config").is_file()
    assert "/artifacts/" in (tmp_path / "new/.gitignore").read_text()
    assert is_project(tmp_path / "new")
    assert not is_project(ROOT)
    assert len((tmp_path / "new/README.md").read_text().splitlines()) <= 40


def test_a_repository_s_own_files_stay(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "README.md").write_text("mine\n")
    (inside / ".gitignore").write_text("/data/\n")
    assert "README.md" not in write_project(inside)
    assert (inside / "README.md").read_text() == "mine\n"
    assert (inside / ".gitignore").read_text() == "/data/\n/artifacts/\n__pycache__/\n"
    assert not (inside / ".git").exists()
    assert "no_scm" not in (inside / ".dvc/config").read_text()
    with pytest.raises(
        UserError, match=r"'study.py', 'params.yaml', 'dvc.yaml' exists already, and init overwrites no file"
    ):
        write_project(inside)


def test_nothing_is_written_where_one_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("mine\n")
    with pytest.raises(UserError, match=r"'dvc.yaml' exists already"):
        write_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.yaml"]
    with pytest.raises(UserError, match="is a file; name a folder"):
        write_project(tmp_path / "dvc.yaml")
    with pytest.raises(UserError, match=r"dvc.yaml/new cannot be made: Not a directory; name a folder that can"):
        write_project(tmp_path / "dvc.yaml/new")


def test_finished_checkpoints_are_a_dependency_of_the_stage_that_takes_them_in(tmp_path: Path) -> None:
    write_project(tmp_path, "data/mine")
    stages = YAML(typ="safe").load((tmp_path / "dvc.yaml").read_text())["stages"]
    assert stages["train"]["do"]["deps"] == ["artifacts/code/finished.txt", "${item.checkpoints}"]
    assert ProjectParams.read(tmp_path / "params.yaml").chosen("finished-0").checkpoints == "data/mine"
    plain = YAML(typ="safe").load((TEMPLATES / "pipeline.yaml").read_text())["stages"]
    assert list(stages) == list(plain)
    assert stages["train"]["do"]["outs"] == [out.replace("item.run", "key") for out in plain["train"]["outs"]]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (
            lambda folder: (folder / ".gitignore").write_bytes(b"\xff\n"),
            ".gitignore is no text in UTF-8, to which init",
        ),
        (lambda folder: (folder / ".dvcignore").mkdir(), ".dvcignore is no text in UTF-8, to which init adds lines"),
        (
            lambda folder: (folder / "study.py").symlink_to("elsewhere"),
            "'study.py' exists already, and init overwrites",
        ),
    ],
)
def test_what_init_cannot_add_to_or_would_write_through_is_refused_before_it_writes(
    tmp_path: Path, prepare: Callable[[Path], object], message: str
) -> None:
    prepare(tmp_path)
    before = list(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        write_project(tmp_path)
    assert list(tmp_path.iterdir()) == before


def test_a_folder_in_the_place_of_the_readme_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    assert "README.md" not in write_project(tmp_path)
    assert (tmp_path / "README.md").is_dir()


def test_checkpoints_that_are_not_there_yet_are_said_by_init_and_refused_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="expected a folder or a glob, got an empty text"):
        main(["init", str(tmp_path / "empty"), "--checkpoints", ""])
    assert not (tmp_path / "empty").exists()
    main(["init", str(tmp_path / "new"), "--checkpoints", "runs/mine"])
    assert "Nothing is at 'runs/mine' yet, seen from there: bring checkpoints" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "new")
    with pytest.raises(SystemExit, match=r"runs.finished-0.checkpoints = 'runs/mine', but nothing is there, seen from"):
        main(["check"])
    (tmp_path / "other/runs/mine").mkdir(parents=True)
    main(["init", str(tmp_path / "other"), "--checkpoints", "runs/mine"])
    assert "Nothing is at" not in capsys.readouterr().out


def test_a_name_that_no_folder_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be made: File name too long; name a folder that can"):
        write_project(tmp_path / ("a" * 300))


def test_each_stage_of_the_template_depends_on_its_code(project: Path) -> None:
    stages = YAML(typ="safe").load((project / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        assert stage["cmd"].split()[:3] == ["sedlib", "stage", name]
        assert name in STAGES
        assert name == "code" or stage["deps"][0] == f"artifacts/code/{name}.txt"
    texts = project_texts(project)
    assert all(script_of(stage).is_file() for stage in STAGES)
    for stage, text in texts.items():
        first, *files = text.splitlines()
        assert first.endswith(f" {DISTRIBUTION}")
        assert any(line.endswith(f" {STAGES[stage]}") for line in files)
        assert any(line.endswith(" study.py") for line in files) == (stage != "report")
    assert "sedlib/coupling.py" not in texts["train"]


def test_the_studies_here_have_the_template_s_stages() -> None:
    template = YAML(typ="safe").load((TEMPLATES / "pipeline.yaml").read_text())["stages"]
    for study in ("text", "dyck"):
        stages = YAML(typ="safe").load((ROOT / "studies" / study / "dvc.yaml").read_text())["stages"]
        for stage in (*stages.values(), *template.values()):
            stage.pop("desc", None)
        if study == "text":
            stages["train"]["deps"].remove("text.txt")
        assert stages == template


@pytest.mark.slow
def test_an_edit_of_a_helper_or_another_version_is_said_with_the_stages_that_run_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "helper.py").write_text("VALUE = 1\n")
    study = project / "study.py"
    study.write_text(study.read_text() + "\n\nfrom helper import VALUE\n")
    before = project_texts(project)
    (project / "artifacts/code").mkdir(parents=True)
    for stage, text in before.items():
        (project / f"artifacts/code/{stage}.txt").write_text(text)
    require_current_code(str(project / "stages/train.py"))

    (project / "helper.py").write_text("VALUE = 2\n")
    project_code._said.cache_clear()
    (line,) = why_again(before, project_texts(project))
    assert line.startswith("'helper.py' changed: bases, centroids, coupling, ")
    assert "report" not in line
    with pytest.raises(UserError, match=r"helper.py is not what it was when artifacts/code/train.txt was written"):
        require_current_code(str(project / "stages/train.py"))

    (project / "helper.py").write_text("VALUE = 1  # the same\n")
    monkeypatch.setattr(current, "version", lambda name: "99.0")
    project_code._said.cache_clear()
    (line,) = why_again(before, project_texts(project))
    assert line.startswith(f"{DISTRIBUTION} is 99.0, was ")
    assert line.count(", ") == len(STAGES) - 1
    with pytest.raises(UserError, match=f"{DISTRIBUTION} is not what it was when"):
        require_current_code(str(project / "stages/train.py"))


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"code"}))
def test_a_stage_of_a_project_is_held_against_the_project_s_text_of_its_code(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)
    (project / "artifacts/code").mkdir(parents=True)
    (project / f"artifacts/code/{stage}.txt").write_text(f"{'0' * 16} sedlib/base/atomic.py\n")
    with pytest.raises(SystemExit) as ended:
        run_script(stage, [] if stage == "report" else ["--run", "characters-1"])
    assert f"sedlib/base/atomic.py is not what it was when artifacts/code/{stage}.txt was written" in str(ended.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lr: 0.003", "learning_rate: 0.003", "unknown key training.learning_rate = 0.003; .*known here: steps"),
        ("lr: 0.003", "lr: fast", "training.lr = 'fast' must be a valid number, got str; change it .Learning rate"),
        ("{seed: 1}", "{seed: 1, training: {lr: -1.0}}", "runs.characters-1.training.lr = -1.0 must be greater than 0"),
        ("{seed: 1}", "{sed: 1}", "unknown key runs.characters-1.sed = 1; did you mean 'seed'"),
        ("window: 4", "window: 9", "window = 9 needs as many updates, and run characters-1 has 8: training.steps = 24"),
        (
            "frozen_runs: []",
            "frozen_runs: [other]",
            "frozen_runs: no run 'other' under 'runs'; there are: char",
        ),
        ("  characters-1: {seed: 1}\n", "  {}\n", "runs is empty; name a run"),
        ("rank: 3", "ranks: 3", "unknown key ranks = 3; did you mean 'rank'"),
    ],
)
def test_values_that_no_stage_takes_are_refused_with_what_to_do(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "params.yaml").write_text(tiny_params({old: new}))
    with pytest.raises(UserError, match=message):
        ProjectParams.read(tmp_path / "params.yaml")


@pytest.mark.slow
def test_check_looks_at_study_py_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "params.yaml").write_text(tiny_params())
    main(["check"])
    study = project / "study.py"
    text = study.read_text()
    for old, new, message in [
        ("def build(self)", "def built(self)", "study.py: Study has no method build(self); add one"),
        ("class Study(OwnStudy)", "class Study", "study.py: expected `class Study(OwnStudy)`"),
        ("import codecs", "import codecs(", "study.py is no Python"),
        ("for _ in Study.tasks", "for _ in range(3)", "expected 2 tensors, one for each task, got 3"),
    ]:
        study.write_text(text.replace(old, new))
        imported_modules.cache_clear()  # of a file that changes while a process runs
        with pytest.raises(SystemExit, match=message.replace("(", r"\(").replace(")", r"\)")):
            main(["check"])
    study.write_text(text)
    (project / "params.yaml").write_text(tiny_params({"{count: 6": "{count: 6000"}))
    with pytest.raises(SystemExit, match=r"probes.count = 6,000, but run characters-1 has \d+ such examples; choose"):
        main(["check"])


def test_a_stage_that_is_not_there_is_refused_with_those_that_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"(?s)no stage 'tran'; there are:.*  train  .*Train one run"):
        main(["stage", "tran"])
    main(["stage", "list"])
    printed = capsys.readouterr().out
    assert all(f"  {stage} " in printed for stage in STAGES)


@pytest.mark.parametrize("command", ["seeds", "interventions", "ablations a-1", "phases a-1", "geometry", "documents"])
def test_commands_of_the_paper_s_runs_send_a_project_to_its_report(command: str, project: Path) -> None:
    with pytest.raises(SystemExit, match=r"study.py here is of another study: .* in reports/questions.md"):
        main(command.split())
