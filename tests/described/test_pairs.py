"""A file without its description, and a description without its file, are refused by what is true of them."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sedlib.base.described.described_pairs import require_pairs
from sedlib.base.errors import UserError
from sedlib.cli import main
from tests.report.made_up import write


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "artifacts/results")
    (tmp_path / ".dvc").mkdir()
    return Path("artifacts/results")


def linked_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("attack", "command", "message"),
    [
        (
            lambda run: (run / "summary.resource.json").unlink(),
            "summary add-1",
            "add-1/summary.json: expected its description beside it, summary.resource.json, found none: it was removed",
        ),
        (
            lambda run: (run / "summary.json").unlink(),
            "summary add-1",
            "add-1/summary.resource.json: expected the file that it describes beside it, summary.json, found none",
        ),
        (lambda run: linked_to_nothing(run / "summary.json"), "summary add-1", "summary.json is a link to what is not"),
        (lambda run: (run / "trajectory.csv").unlink(), "geometry", "it describes beside it, trajectory.csv, found"),
        (lambda run: (run / "ablation/rank.resource.json").unlink(), "ablations add-1", "its description beside it"),
        (lambda run: (run / "single_step.csv").unlink(), "phases add-1", "beside it, single_step.csv, found none"),
        (
            lambda run: (run / "../interventions/add-1-control.csv").unlink(),
            "interventions",
            "beside it, add-1-control.csv, found none",
        ),
    ],
)
def test_half_a_result_is_refused_and_never_called_old_or_left_out(
    results: Path, attack: Callable[[Path], object], command: str, message: str
) -> None:
    attack(results / "add-1")
    with pytest.raises(SystemExit, match=re.escape(message)) as ended:
        main(command.split())
    assert "older" not in str(ended.value)
    assert "dvc checkout" in str(ended.value)


def test_a_run_without_results_and_whole_runs_are_no_halves(results: Path) -> None:
    require_pairs(results, "**/*")
    shutil.rmtree(results / "add-1")
    require_pairs(results, "**/*")
    (results / "add-2/summary.resource.json").unlink()
    with pytest.raises(UserError, match=r"add-2/summary.json: expected its description"):
        require_pairs(results, "*/summary.*")
