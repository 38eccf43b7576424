"""Which files a bundle may hold: those under artifacts/ that DVC's locks name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo, lock_repo

from sedlib.base.errors import UserError
from sedlib.upkeep.kept import DIRECTORY, outputs

LOCK = Path("dvc.lock")
ARTIFACTS = "artifacts/"


@contextmanager
def locked_repository() -> Iterator[Repo]:
    """The repository of the working directory, which no other command changes meanwhile.

    Raises
    ------
    UserError
        DVC refuses, as there is no repository, or another command runs.
    """
    try:
        with Repo(".") as repo, lock_repo(repo):
            yield repo
    except DvcException as error:
        raise UserError(f"DVC refuses: {error}") from error


def locked_files(repo: Repo) -> dict[str, Output]:
    """The files under artifacts/ that the locks name, by their paths in the workspace; no folders, such as figures."""
    found: dict[str, Output] = {}
    for _, output in outputs(repo, []):
        name = Path(output.fs_path).relative_to(repo.root_dir).as_posix()
        if name.startswith(ARTIFACTS) and not content_hash(output).endswith(DIRECTORY):
            found[name] = output
    return found


def content_hash(output: Output) -> str:
    """The MD5 of an output's content, as its lock has it."""
    return str(output.hash_info.value)


def size(output: Output) -> int:
    """Bytes of an output, as its lock has them."""
    return int(output.meta.size)
