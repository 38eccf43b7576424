"""Repairs what a crash in the middle of a write leaves of DVC's own files, on which every later `dvc` command fails."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo, lock_repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, SCHEMA
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import load_yaml
from voluptuous import Invalid

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.cluster.lock_merge import merge_locks
from sedlib.cluster.run_cache import clear_unfinished, clear_unreadable
from sedlib.cluster.worker.snapshot import git


def repair(root: Path, cache: Path, merging: bool = False) -> Iterator[str]:
    """Replace broken files of DVC in ``root``, and say which: what they held is in git and in the run-cache.

    Parameters
    ----------
    merging
        Whether dvc.lock files that git lists as unmerged are merged first, stage by stage.

    Raises
    ------
    UserError
        A DVC command is at work on these files, or a dvc.lock has merge conflicts.
    """
    clear_unfinished(cache)
    for path in clear_unreadable(cache):
        yield f"{path} was broken by a crash: removed, its stage runs again"
    with _dvc_stands_still(root) as folder:
        yield from _repaired_rwlock(folder / RWLOCK_FILE)
        if merging:
            yield from merge_locks(root)
        listed = git("ls-files", "-z", "-co", "--exclude-standard", "--", "dvc.lock", "**/dvc.lock", cwd=root)
        for name in dict.fromkeys(filter(None, listed.split("\0"))):
            if not _is_lock_file(root / name):
                _require_no_conflict(root, name)
                yield f"{name} was broken by a crash: {_taken_back(root, name)}"


@contextmanager
def _dvc_stands_still(root: Path) -> Iterator[Path]:
    """The folder of DVC's locks, while no DVC writes in it or a dvc.lock."""
    with Repo(root) as repo:
        folder = Path(repo.tmp_dir)
        hardlink = repo.config["core"].get("hardlink_lock", False)
        guard = make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder), hardlink_lock=hardlink)
        try:
            with lock_repo(repo), guard:
                yield folder
        except LockError as error:
            raise UserError(f"a DVC command is at work in {root}; wait for it, or stop it, then call again") from error


def _repaired_rwlock(path: Path) -> Iterator[str]:
    """Remove a broken rwlock; remove from a whole one the processes that are gone."""
    if not path.exists():
        return
    try:
        held = SCHEMA(json.loads(path.read_text()))
    except (ValueError, Invalid):
        path.unlink()
        yield ".dvc/tmp/rwlock was broken by a crash: removed"
        return
    written = path.stat().st_mtime
    writes = {name: holder for name, holder in held["write"].items() if _lives(holder, written)}
    reads = {name: [one for one in holders if _lives(one, written)] for name, holders in held["read"].items()}
    left = {"write": writes, "read": {name: holders for name, holders in reads.items() if holders}}
    if left != held:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(left))
        yield ".dvc/tmp/rwlock named processes that are gone: removed from it"


def _lives(holder: dict[str, Any], written: float) -> bool:
    """Whether the process has its number since before the file was written: another one may have got it."""
    try:
        return psutil.Process(holder["pid"]).create_time() <= written
    except psutil.NoSuchProcess:
        return False


def _is_lock_file(path: Path) -> bool:
    if not path.exists():
        return True  # DVC does without
    try:
        COMPILED_LOCKFILE_SCHEMA(load_yaml(str(path)))
    except (DvcException, Invalid, ValueError):
        return False
    return True


def _require_no_conflict(root: Path, name: str) -> None:
    """Leave alone what two branches made of a file: whoever merges them says when."""
    if git("ls-files", "--unmerged", "--", name, cwd=root):
        raise UserError(
            f"{name} has merge conflicts: call `sedlib repair`, which takes each stage's entry from the branch that "
            "changed it (docs/experiments.md, Merge)"
        )
    if any(line.startswith("<<<<<<<") for line in (root / name).read_text(errors="replace").splitlines()):
        raise UserError(
            f"{name} has the marks of merge conflicts, and git takes it for merged: take the file of a commit from "
            f"before, as by `git checkout HEAD~1 {name}`; then `dvc repro` takes what is missing from the run-cache"
        )


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
