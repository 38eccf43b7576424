"""Stages run in clones, which hold what git tracks and what other stages wrote: anything else is refused."""

import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from dvc.fs import localfs
from dvc.repo import Repo
from dvc.stage import Stage

from sedlib.base.errors import UserError


def refuse_untracked(repo: Repo, stages: Collection[Stage], produced: Collection[str]) -> None:
    """Refuse stages that read files which git does not track and no stage in ``produced`` writes.

    Raises
    ------
    UserError
        There are such files; all are named, each with a stage that reads it.
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repo.root_dir, capture_output=True, text=True, check=True)
    known = {str(Path(repo.root_dir, name)) for name in listed.stdout.split("\0")} | set(produced)
    found = {
        f"  {Path(path).relative_to(repo.root_dir)} (read by {stage.addressing})": None
        for path, stage in {path: stage for stage in stages for path in _read(repo, stage)}.items()
        if path not in known and not any(localfs.overlaps(path, out) for out in produced)
    }
    if found:
        raise UserError(
            "stages run in clones of the repository, and clones lack these files, because git does not track them:\n"
            + "\n".join(found)
            + "\nRun `git add` on them, or plain `dvc repro`."
        )


def _read(repo: Repo, stage: Stage) -> Iterator[str]:
    """Files that a stage reads: its dvc.yaml, its dependencies, what lies in those that are folders."""
    yield stage.path
    for dep in stage.deps:
        if localfs.isdir(dep.fs_path):
            yield from repo.dvcignore.find(localfs, dep.fs_path)
        elif localfs.isin(dep.fs_path, repo.root_dir):
            yield dep.fs_path
