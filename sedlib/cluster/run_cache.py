"""Entries of DVC's run-cache that a killed process, a full disk or a power cut left unfinished."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

SECONDS_OF_A_WRITE = 5.0  # at most, of an entry of the run-cache


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


def clear_unreadable(cache: Path) -> list[Path]:
    """Remove entries that are no text, at which DVC fails, and return them; DVC itself removes what is no YAML."""
    found = [path for path in (cache / "runs").glob("*/*/*") if path.suffix != ".tmp" and not _is_text(path)]
    for path in found:
        path.unlink(missing_ok=True)
        _remove(path.parent)
    return found


def _is_text(path: Path) -> bool:
    try:
        return path.read_text(encoding="utf-8") != ""
    except UnicodeDecodeError:
        return False
    except FileNotFoundError:
        return True  # somebody else's to remove
