"""Which snapshots a computation may use.

Their folder is named after the computation and the hash of all that its bytes depend on: parameters, code, PyTorch,
hardware. If one of these changes, another folder is used.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from sedlib.base.edited import require_unedited
from sedlib.base.errors import UserError
from sedlib.base.machine.hardware import identity
from sedlib.base.progress import say
from sedlib.pipeline.code.current import code_text_of
from sedlib.pipeline.resume.old_snapshots import FINISHED, remove_old_snapshots, snapshots_folder
from sedlib.pipeline.resume.snapshots import Snapshots

FORMAT = 1
SECONDS_BETWEEN = 20.0
SECONDS_FOR_ANOTHER_TO_END = 10.0
"""A stage whose DVC was killed ends before."""
KEY = "key.json"
DIGITS = 16
"""Of hashes in the names of folders."""


@contextmanager
def snapshots_of(
    name: str, script: str, parameters: Mapping[str, str], device: torch.device
) -> Iterator[Snapshots | None]:
    """The snapshots of the computation ``name`` of a stage script.

    On leaving without an error they are marked as finished, for a later stage to remove. None where the code stage
    never ran, so that nobody knows which code would go on, or while another process keeps the same ones.

    Parameters
    ----------
    parameters
        Texts of all that the computation depends on, by a name for each.

    Raises
    ------
    UserError
        An environment variable is wrong, or, on leaving, parameters were edited meanwhile.
    """
    code = code_text_of(script)
    if not code.exists():
        yield None
        return
    key = {"format": str(FORMAT), **parameters, "code": code.read_text(), **identity(device)}
    folder = snapshots_folder() / f"{name}-{_hash(json.dumps(key, sort_keys=True))}"
    seconds = _seconds_between()
    remove_old_snapshots()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=SECONDS_FOR_ANOTHER_TO_END)
    except Timeout:
        say(f"{name}: another process keeps its snapshots in {folder}, so none are kept of this one")
        yield None
        return
    try:
        _compare(name, folder, {part: _hash(text) for part, text in key.items()})
        (folder / FINISHED).unlink(missing_ok=True)
        snapshots = Snapshots(folder, name, seconds)
        try:
            yield snapshots
        finally:
            snapshots.close()
        require_unedited()  # before they count as finished: with the edit undone, a run goes on from them
        (folder / FINISHED).touch()
    finally:
        lock.release()


def _seconds_between() -> float:
    given = os.environ.get("SEDLIB_SNAPSHOT_SECONDS")
    try:
        seconds = SECONDS_BETWEEN if given is None else float(given)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise UserError(f"SEDLIB_SNAPSHOT_SECONDS must be a number of seconds, 0 or more, got {given!r}")
    return seconds


def _compare(name: str, folder: Path, key: dict[str, str]) -> None:
    """Write the key, and say why other snapshots of this name are not used: in what they differ."""
    (folder / KEY).write_text(json.dumps(key, indent=1))
    for other in folder.parent.glob(f"{name}-{'[0-9a-f]' * DIGITS}"):
        with suppress(OSError, ValueError, AttributeError):
            if (other / FINISHED).exists():
                continue
            found = json.loads((other / KEY).read_text())
            if differing := [part for part in key if found.get(part) != key[part]]:
                say(f"{name}: the snapshot in {other} is not used, as it is of another {', '.join(differing)}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
