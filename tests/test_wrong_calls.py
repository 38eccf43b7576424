"""Commands that are called in another folder, or for a run that is none: the message says so, not what cannot help."""

from pathlib import Path

import pytest

from sedlib import cli


def said(*command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    return str(ended.value)


@pytest.mark.parametrize("command", ["summary", "ablations", "phases", "geometry"])
def test_a_run_that_is_none_is_named_with_those_that_are(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("runs: {add-1: {}, add-2: {}}")
    assert said(command, "ADD-1") == "error: 'ADD-1' is no run of params.yaml, which has add-1, add-2"
    assert said(command, "add-1").startswith("error: artifacts/results/add-1/")
    Path("params.yaml").write_text("window: 3")
    assert said(command, "add-1") == "error: 'add-1' is no run of params.yaml, which has none"


@pytest.mark.parametrize("command", [["summary", "add-1"], ["costs"], ["documents"], ["seeds"], ["dag"]], ids=" ".join)
def test_a_folder_inside_the_project_is_not_taken_for_it(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").write_text("runs: {add-1: {}}")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    assert said(*command).endswith(("call sedlib where dvc.yaml is", "run from the root of the repository"))
