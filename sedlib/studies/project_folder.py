"""What `sedlib init` writes: a DVC project whose study runs as it is. No torch."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from sedlib.base.errors import UserError, listed

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "study.py": "study.py",
    "params.yaml": "params.yaml",
    "pipeline.yaml": "dvc.yaml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
}
"""Names of the templates, and of the files that they become: DVC would run a dvc.yaml that lies here."""
APPENDED = (".gitignore", ".dvcignore")
"""Files that may be there already; lines that they lack are added."""
OPTIONAL = ("README.md",)
"""A file that stays as it is where there is one."""
TRAIN = re.compile(r"  train:\n.*?(?=  frozen:\n)", re.DOTALL)
"""The stage of dvc.yaml in whose place finished.yaml stands where checkpoints are files."""
RUNS = re.compile(r"(?<=^runs:\n)(?:  .*\n)+", re.MULTILINE)


def write_project(folder: Path, checkpoints: str | None = None) -> list[str]:
    """Write the files of a project into ``folder``, make it a DVC repository; the names of what was written.

    Parameters
    ----------
    checkpoints
        Folder of finished checkpoints, from which the only run comes; without, runs are trained.

    Raises
    ------
    UserError
        A file is there already, or the folder cannot be made or put under git, or DVC refuses it, or checkpoints are
        named by an empty text; no file of the project is written then.
    """
    if checkpoints is not None and not checkpoints.strip():
        raise UserError("checkpoints: expected a folder or a glob, got an empty text; leave it out to train runs")
    if os.path.exists(folder) and not folder.is_dir():  # noqa: PTH110 - of a name that is too long, too
        raise UserError(f"{folder} is a file; name a folder, which init makes where there is none")
    texts = dict(_texts(checkpoints))
    there = [name for name in texts if name not in (*APPENDED, *OPTIONAL) and os.path.lexists(folder / name)]
    if there:
        raise UserError(f"{folder}: {listed(there)} exists already, and init overwrites no file: choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}; name a folder that can") from error
    _require_lines([folder / name for name in APPENDED])
    _under_git(folder)
    _under_dvc(folder)
    written = []
    for name, text in texts.items():
        if _write(folder / name, text):
            written.append(name)
    return written


def nothing_found(folder: Path, checkpoints: str) -> bool:
    """Whether a project in ``folder`` finds no file yet where its run's checkpoints are to be."""
    return not glob(checkpoints, root_dir=folder)  # noqa: PTH207 - absolute ones too


def _write(path: Path, text: str) -> bool:
    """Whether anything was written."""
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        return True
    if path.name not in APPENDED:
        return False
    lines = path.read_text(encoding="utf-8").splitlines()
    missing = [line for line in text.splitlines() if line not in lines]
    if not missing:
        return False
    path.write_text("\n".join([*lines, *missing]) + "\n", encoding="utf-8")
    return True


def _require_lines(paths: Iterable[Path]) -> None:
    """Refuse files to which no line can be added, before the first file is written."""
    for path in filter(os.path.lexists, paths):
        try:
            path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is no text in UTF-8, to which init adds lines: move it away ({error})") from error


def _texts(checkpoints: str | None) -> Iterator[tuple[str, str]]:
    for template, name in FILES.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        if checkpoints and name == "dvc.yaml":
            text = TRAIN.sub(lambda _: (TEMPLATES / "finished.yaml").read_text(encoding="utf-8"), text)
        if checkpoints and name == "params.yaml":
            text = RUNS.sub(lambda _: f"  finished-0: {{seed: 0, checkpoints: {json.dumps(checkpoints)}}}\n", text)
        yield name, text


def _under_git(folder: Path) -> None:
    if shutil.which("git") is None:
        raise UserError("git is not installed; DVC keeps experiments in it: install git")
    inside = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False)
    if inside.returncode:
        _call(["git", "init", "--quiet"], folder)


def _under_dvc(folder: Path) -> None:
    """A DVC repository of its own, also in a folder of a git repository that is not its root."""
    if (folder / ".dvc").is_dir():
        return
    is_root = (folder / ".git").exists()
    _call([sys.executable, "-m", "dvc", "init", "--quiet", *([] if is_root else ["--subdir"])], folder)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`{' '.join(command)}` fails in {folder}: {(done.stderr or done.stdout).strip()[-300:]}")
