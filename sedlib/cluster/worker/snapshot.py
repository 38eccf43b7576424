"""The files that git tracks, as they are in the workspace now, as a bundle that any worker can clone."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sedlib.base.errors import UserError

# One tree gives one commit.
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "sedlib", "EMAIL": "sedlib@localhost", "DATE": "2000-01-01T00:00:00Z"}.items()
}


@dataclass(frozen=True)
class Snapshot:
    """A commit without parents; ``prefix`` is the folder it was taken from, relative to the repository's root."""

    commit: str
    prefix: str
    bundle: bytes


def git(*arguments: str, cwd: Path, variables: Mapping[str, str] | None = None) -> str:
    """What git prints.

    Raises
    ------
    UserError
        It fails; the message has its own.
    """
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def take(folder: Path) -> Snapshot:
    """Commit tracked files with their uncommitted changes to a repository of its own, and bundle it.

    The user's repository, index and stash stay as they are; it need not have a commit.

    Raises
    ------
    UserError
        ``folder`` is in no git repository.
    """
    root = Path(git("rev-parse", "--show-toplevel", cwd=folder))
    paths = [Path(folder, git("rev-parse", "--git-path", name, cwd=folder)) for name in ("index", "objects")]
    index, objects = (path.resolve() for path in paths)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        git("init", "--quiet", "--bare", name, cwd=folder)
        (scratch / "objects/info/alternates").write_text(f"{objects}\n")
        if index.exists():
            shutil.copy(index, scratch / "index")
        own = {"GIT_DIR": name, "GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(scratch / "index"), **IDENTITY}
        git("add", "--update", ".", cwd=root, variables=own)
        tree = git("write-tree", cwd=root, variables=own)
        commit = git("commit-tree", tree, "-m", "Snapshot", cwd=root, variables=own)
        git("update-ref", "refs/heads/snapshot", commit, cwd=root, variables=own)
        git("bundle", "create", "--quiet", str(scratch / "bundle"), "refs/heads/snapshot", cwd=root, variables=own)
        return Snapshot(commit, os.path.relpath(folder.resolve(), root), (scratch / "bundle").read_bytes())


def unpack(bundle: bytes, commit: str, folder: Path) -> Path:
    """A bare repository with the snapshot in ``folder``; made once."""
    target = folder / f"{commit}.git"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            file, made = Path(scratch, "bundle"), Path(scratch, "made")
            file.write_bytes(bundle)
            git("clone", "--quiet", "--bare", "--branch", "snapshot", str(file), str(made), cwd=folder)
            made.rename(target)
    return target


def clone(base: Path, folder: Path) -> None:
    """A throw-away clone of an unpacked snapshot, which shares its objects."""
    git("clone", "--quiet", "--shared", str(base), str(folder), cwd=base)
