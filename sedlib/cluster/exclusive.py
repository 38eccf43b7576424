"""The workspace while its stages run elsewhere: one command at a time, a scratch folder, DVC's settings."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from sedlib.base.commands.root import require_root
from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.base.stops import Stopped, stoppable
from sedlib.cluster.repair import repair


def working(command: Callable[[Path, Path], int], merging: bool = False) -> int:
    """Exit code of ``command``, called with the workspace and a scratch folder; it may be stopped at any moment.

    Parameters
    ----------
    merging
        Whether dvc.lock files of two branches are merged before; else they are refused.

    Raises
    ------
    UserError
        DVC refuses something, a disk is full, or a connection broke.
    """
    root = Path.cwd()
    try:
        with stoppable(), alone(root) as scratch:
            _repair(root, merging)
            try:
                return command(root, scratch)
            finally:
                _repair(root)
    except Stopped as stopped:
        say("stopped; finished stages are kept, and `dvc repro` or this command goes on")
        return stopped.exit_code
    except (DvcException, OSError) as error:
        raise UserError(str(error)) from error


def repair_workspace() -> int:
    """`sedlib repair`; exit code.

    Raises
    ------
    UserError
        Something cannot be repaired, or another command is at work.
    """

    def command(root: Path, scratch: Path) -> int:
        say("none of DVC's own files is broken; `dvc repro` goes on")
        return 0

    return working(command, merging=True)


def refuse_read_only(cache: Path) -> None:
    """Refuse a cache that this user cannot write to, such as another's, before a stage runs.

    Raises
    ------
    UserError
        It cannot be written to.
    """
    for folder in (cache, cache / "files/md5", cache / "runs"):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(
                f"{folder} is not writable for you, and DVC keeps results there. Take a cache of your own with "
                f"`dvc cache dir --local FOLDER` (copy what you need of the other with `dvc remote add --local other "
                f"{cache}` and `dvc pull -r other`), or ask its owner to run `chmod -R g+rwXs {cache}` and "
                "`dvc config cache.shared group`"
            )


def _repair(root: Path, merging: bool = False) -> None:
    cache = Path(settings()["cache"]["dir"])
    refuse_read_only(cache)
    for text in repair(root, cache, merging):
        say(text)


@contextmanager
def alone(root: Path) -> Iterator[Path]:
    """A scratch folder on the cache's file system, which no other command has at the same time.

    Raises
    ------
    UserError
        Another command runs in ``root``, or it is no root of a DVC repository.
    """
    require_root(root)
    folder = root / ".dvc/tmp/sedlib"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"another sedlib repro or sweep runs in {root}; wait for it, or stop it") from error
        for left in folder.glob("run-*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def settings() -> dict[str, Any]:
    """What throw-away clones of the DVC repository in the working directory must have in their configuration."""
    with Repo(".") as repo:
        merged = repo.config.load_config_to_level()
        return {
            "core": dict(merged["core"]),
            "cache": {**merged["cache"], "dir": str(repo.cache.legacy.path)},
            "remote": {name: {**remote, "url": str(remote["url"])} for name, remote in merged["remote"].items()},
        }
