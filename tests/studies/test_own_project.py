"""A project from the wheel, outside any checkout, by real DVC: what runs, what runs again, and what a clone needs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from tests.installed import Environment, built, environment
from tests.studies.tiny_project import ran, tiny_params

pytestmark = pytest.mark.slow
RUN = "characters-1"
OF_RUN = ["train", "dump", "bases", "centroids", "coupling", "figures"]
STAGES = sorted([*(f"{stage}@{RUN}" for stage in OF_RUN), "report"])
AGAIN = sorted([f"bases@{RUN}", f"coupling@{RUN}", f"figures@{RUN}", "report"])
"""What another window changes: what is measured with it, and what is drawn of that."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    _, wheel = built(tmp_path_factory.mktemp("built"))
    return environment(tmp_path_factory.mktemp("installed") / "venv", wheel, "pipeline")


def called(installed: Environment, folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": f"{installed.folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder.parent), "SEDLIB_THREADS": "1"}
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    program, *arguments = command
    found = shutil.which(program, path=path["PATH"]) or program
    done = subprocess.run(
        [found, *arguments],
        cwd=folder,
        env=path | who | {"OMP_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def dvc(installed: Environment, folder: Path, *arguments: str, **variables: str) -> list[str]:
    done = called(installed, folder, "python", "-m", "dvc", *arguments, **variables)
    return sorted(ran(done.stdout))


def committed(installed: Environment, folder: Path) -> None:
    called(installed, folder, "git", "add", "-A")
    called(installed, folder, "git", "commit", "-qm", "state")


@pytest.fixture(scope="module")
def project(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "mine"
    folder.mkdir()
    called(installed, folder, "sedlib", "init")
    (folder / "params.yaml").write_text(tiny_params())
    called(installed, folder, "sedlib", "check")
    assert dvc(installed, folder, "repro") == STAGES
    committed(installed, folder)
    return folder


def test_it_ends_in_a_figure_and_a_report(installed: Environment, project: Path) -> None:
    assert (project / f"artifacts/results/{RUN}/figures/coupling.svg").is_file()
    assert (project / "reports/figures/characters-coupling.svg").is_file()
    assert "not settled" in (project / "reports/questions.md").read_text()  # of one seed
    assert "Does a task" in (project / "reports/index.html").read_text()
    assert str(ROOT) not in (project / "dvc.lock").read_text()
    assert dvc(installed, project, "repro") == []


def test_half_a_result_is_no_run_that_is_still_to_come(installed: Environment, project: Path) -> None:
    summary = project / f"artifacts/results/{RUN}/summary.json"
    summary.rename(away := summary.with_suffix(".away"))
    with pytest.raises(AssertionError, match=r"expected the file that it describes beside it, summary\.json"):
        called(installed, project, "sedlib", "stage", "report")
    away.rename(summary)


def test_another_window_runs_bases_and_coupling_again_and_trains_nothing(installed: Environment, project: Path) -> None:
    assert dvc(installed, project, "exp", "run", "-S", "window=5") == AGAIN
    called(installed, project, "git", "stash", "-q")
    assert dvc(installed, project, "repro") == []


@pytest.mark.long
def test_a_clone_analyses_again_from_a_remote_without_a_checkpoint(installed: Environment, project: Path) -> None:
    store, clone = project.with_name("store"), project.with_name("clone")
    called(installed, project, "python", "-m", "dvc", "remote", "add", "-q", "-d", "store", str(store))
    called(installed, project, "python", "-m", "dvc", "push", "-q")
    committed(installed, project)
    called(installed, project, "git", "clone", "-q", str(project), str(clone))
    called(installed, clone, "python", "-m", "dvc", "pull", "-q", "dump")
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("window: 4", "window: 3"))
    assert dvc(installed, clone, "repro", "--pull", "--allow-missing") == AGAIN
    assert not (clone / "artifacts/checkpoints").exists()


def outputs(lock: str) -> dict[str, list[str]]:
    """Hashes of what each stage wrote, but for the texts of code and the page that shows the version."""
    stages = YAML(typ="safe").load(lock)["stages"]
    return {name: [out["md5"] for out in stage["outs"]] for name, stage in stages.items() if "@" in name}


@pytest.mark.long
def test_the_same_stage_gives_the_same_bytes_and_another_version_runs_again_and_says_so(
    installed: Environment, project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project, folder := tmp_path / "mine", symlinks=True)
    other = tmp_path / "other/spectral_edge_diagnostics-99.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: spectral-edge-diagnostics\nVersion: 99.0\n")
    before = (folder / "dvc.lock").read_text()
    done = called(installed, folder, "python", "-m", "dvc", "repro", PYTHONPATH=str(other.parent))
    assert sorted(ran(done.stdout)) == STAGES
    assert re.search(r"spectral-edge-diagnostics is 99.0, was [\d.]+: bases, .* runs again", done.stderr)
    assert outputs((folder / "dvc.lock").read_text()) == outputs(before)
