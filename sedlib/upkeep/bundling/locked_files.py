"""Which files a bundle may hold: those under artifacts/ that dvc.lock names."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.output import Output
from dvc.repo import Repo, lock_repo
from dvc.rwlock import rwlock

from sedlib.base.errors import UserError
from sedlib.upkeep.kept import DIRECTORY, outputs
from sedlib.upkeep.whole_locks import require_whole_locks

LOCK = Path("dvc.lock")
ARTIFACTS = "artifacts/"


@contextmanager
def locked_repository() -> Iterator[Repo]:
    """The repository whose root is the working directory, while no other DVC command reads or writes its locks.

    Raises
    ------
    UserError
        DVC refuses, the working directory is not the root of its repository, a lock is broken, or another command runs.
    """
    require_whole_locks()
    try:
        with Repo(".") as repo, lock_repo(repo):
            if Path(repo.root_dir) != Path.cwd():
                raise UserError(f"run this in the root of the repository: cd {repo.root_dir}")
            yield repo
    except LockError as error:
        raise UserError(f"another command runs in this repository; wait until it has ended ({error})") from error
    except DvcException as error:
        raise UserError(f"DVC refuses: {error}") from error


@contextmanager
def held(repo: Repo, reads: Iterable[Output], writes: Iterable[Output]) -> Iterator[None]:
    """Nobody else writes what is read here, or uses what is written: a stage that runs holds its own files.

    The lock of the repository does not say so, as DVC releases it while a stage's command runs.
    """
    paths = [[output.fs_path for output in outputs] for outputs in (reads, writes)]
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with rwlock(repo.tmp_dir, repo.fs, "sedlib", *paths, hardlink):
        yield


def locked_files(repo: Repo) -> dict[str, Output]:
    """The files under artifacts/ that dvc.lock names, by their paths; no folders, such as figures.

    Raises
    ------
    UserError
        The lock has no size for one.
    """
    found: dict[str, Output] = {}
    for _, output in outputs(repo, []):
        name = Path(output.fs_path).relative_to(repo.root_dir).as_posix()
        if not name.startswith(ARTIFACTS) or Path(output.stage.path).parent != Path(repo.root_dir):
            continue
        if not content_hash(output).endswith(DIRECTORY):
            if output.meta.size is None:
                raise UserError(f"{LOCK} has no size of {name}; run `dvc commit --force {output.stage.addressing}`")
            found[name] = output
    return found


def content_hash(output: Output) -> str:
    """The MD5 of an output's content, as its lock has it."""
    return str(output.hash_info.value)


def size(output: Output) -> int:
    """Bytes of an output, as its lock has them."""
    return int(output.meta.size)
