"""What git and terminals are configured to changes nothing that a stage depends on, and ends no command."""

import subprocess
from pathlib import Path

import pytest

from tests.clone import Clone
from tests.imports import ROOT


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_line_ends_are_those_of_the_repository(finished: Clone, tmp_path: Path, setting: str) -> None:
    """Another ending would be another code to every stage, so that all runs would train again."""
    done = finished.call("git", "-c", setting, "checkout-index", "--all", f"--prefix={tmp_path}/")
    assert done.returncode == 0, done.stderr
    texts = [path for folder in ("sedlib", "stages") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert len(texts) > 200
    assert [
        path for path in texts if path.read_bytes() != (finished.folder / path.relative_to(tmp_path)).read_bytes()
    ] == []


@pytest.mark.parametrize("command", [["summary", "add-1"], ["parameters"], ["geometry"], ["dag"]], ids=" ".join)
def test_a_terminal_without_a_letter_shows_another_in_its_place(finished: Clone, command: list[str]) -> None:
    """A traceback would be all that is left of the answer."""
    shown = {encoding: said(finished, command, encoding) for encoding in ("utf-8", "ascii", "latin-1")}
    for encoding, text in shown.items():
        assert text.replace("?", "").split() == as_shown(shown["utf-8"], encoding).replace("?", "").split()


def said(clone: Clone, command: list[str], encoding: str) -> str:
    done = subprocess.run(
        ["sedlib", *command],
        cwd=clone.folder,
        env=clone.environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(encoding)


def as_shown(text: str, encoding: str) -> str:
    return text.encode(encoding, errors="replace").decode(encoding)


@pytest.mark.parametrize("edited", [True, False])
def test_the_demo_ends_by_saying_that_dvc_lock_differs(tmp_path: Path, edited: bool) -> None:
    texts = ("first", "other" if edited else "first")
    commands = ["git init -q", f"echo {texts[0]} > dvc.lock", "git add dvc.lock", f"echo {texts[1]} > dvc.lock"]
    dry = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", "demo"]
    planned = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    done = subprocess.run(
        ["bash", "-euc", "\n".join([*commands, "set +e", planned[-1]])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("git checkout dvc.lock" in done.stdout) == edited
