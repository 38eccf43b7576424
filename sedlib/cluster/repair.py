"""Repairs what a crash in the middle of a write leaves, on which every later `dvc` command would fail."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import load_yaml
from voluptuous import Invalid

from sedlib.base.errors import UserError
from sedlib.cluster.worker.snapshot import git

SECONDS_OF_A_WRITE = 5.0  # at most, of an entry of the run-cache


def repair(root: Path, cache: Path) -> Iterator[str]:
    """Replace broken files of DVC in ``root``, and say which: what they held is in git and in the run-cache."""
    clear_unfinished(cache)
    for name in git("ls-files", "-co", "--exclude-standard", "--", "dvc.lock", "**/dvc.lock", cwd=root).splitlines():
        if not _is_lock_file(root / name):
            yield f"{name} was broken, as a crash leaves it: {_taken_back(root, name)}"
    rwlock = root / ".dvc/tmp/rwlock"
    if rwlock.exists() and not _is_json(rwlock):
        rwlock.unlink()
        yield ".dvc/tmp/rwlock was broken, as a crash leaves it: removed"


def clear_unfinished(cache: Path) -> None:
    """Remove what a killed process or a full disk left of entries of the run-cache.

    DVC makes a folder, writes a temporary file in it and renames that. It takes what is left of either step for an
    entry: every later command fails at an empty folder, and reads half of a file.
    """
    for folder in (cache / "runs").glob("*/*"):
        # Its writer was alive and renamed the file, or another call cleared it; or it is another user's to clear.
        with suppress(FileNotFoundError, PermissionError):
            while unfinished := _unfinished(folder):
                if _now(cache) - max(path.stat().st_mtime for path in unfinished) >= SECONDS_OF_A_WRITE:
                    _remove(folder)
                    break
                time.sleep(0.05)


def _now(folder: Path) -> float:
    """By the clock of the file system, which may be a server's."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _unfinished(folder: Path) -> list[Path]:
    """What stands in ``folder`` in place of an entry: temporary files, or nothing but the folder itself."""
    inside = list(folder.iterdir())
    return [path for path in inside if path.suffix == ".tmp"] if inside else [folder]


def _remove(folder: Path) -> None:
    for path in folder.glob("*.tmp"):
        path.unlink()
    with suppress(OSError):  # it has entries, or got one now
        folder.rmdir()


def _is_lock_file(path: Path) -> bool:
    if not path.exists():
        return True  # DVC does without
    try:
        COMPILED_LOCKFILE_SCHEMA(load_yaml(str(path)))
    except (DvcException, Invalid, ValueError):
        return False
    return True


def _taken_back(root: Path, name: str) -> str:
    """Write the committed file, or remove it where there is none; what was done."""
    try:
        committed = git("show", f"HEAD:./{name}", cwd=root)
    except UserError:
        (root / name).unlink()
        return "removed; the run-cache has what is missing"
    (root / name).write_text(committed + "\n")
    if not _is_lock_file(root / name):
        (root / name).unlink()
        return "removed, as the committed one is broken too; the run-cache has what is missing"
    return "taken from the last commit; the run-cache has what is missing"


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True
