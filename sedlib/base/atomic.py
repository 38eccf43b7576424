"""Files that appear whole or not at all, each from one writer at a time."""

import errno
import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sedlib.base.errors import UserError

SECONDS_TO_END = 10.0
"""How long a writer waits for another: a stage whose DVC was killed ends within a few seconds of it."""
PRIVATE = 0o700


class WriteError(UserError):
    """A file cannot be written: the disk is full, the folder is not writable, or another process writes it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; on leaving without an error it is synced and takes its place.

    The target is replaced, not rewritten: DVC links it into its cache, where rewriting would change what other
    revisions share. Nothing is left behind if the body raises, and ``path`` keeps what it held.

    Raises
    ------
    WriteError
        The file system refuses a write, or another process is writing the same file.
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_writer(path):
            for debris in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
                debris.unlink()  # of a writer that was killed: a living one would hold the lock
            temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
            try:
                yield temporary
                sync(temporary)
                temporary.replace(path)
                sync(path.parent)
            finally:
                temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the disk has what was written to a file, or to a folder's list of files."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def unwritable(error: OSError) -> str | None:
    """What keeps a file from being written, and what to do; None of an error that is not about writing."""
    return REASONS.get(error.errno or 0)


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of a target; it lies with this user's temporary files, as folders of results hold results alone."""
    folder = Path(tempfile.gettempdir()) / f"sedlib-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    with suppress(FileExistsError):
        folder.mkdir(mode=PRIVATE)
    name = hashlib.sha256(os.fsencode(path.parent.resolve() / path.name)).hexdigest()
    try:
        with FileLock(folder / f"{name}.lock", timeout=SECONDS_TO_END):
            yield
    except Timeout as error:
        raise WriteError(
            f"{path}: another process is writing it; wait until it has ended, or end it, and run this again"
        ) from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        elsewhere = error.filename is not None and Path(error.filename).parent != path.parent
        if elsewhere or (reason := unwritable(error)) is None:
            raise
        raise WriteError(f"{path} cannot be written: {reason} ({error}). The file is unchanged") from error


REASONS = {
    errno.ENOSPC: "no space is left on its disk; free space, or move the folder to another disk, and run this again",
    errno.EDQUOT: "your quota on its disk is used up; free some and run this again",
    errno.EFBIG: "the file would exceed the file size limit",
    errno.EIO: "its disk reports an error; check the disk before you trust its files",
    errno.EROFS: "its file system is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
}
