"""Results through DVC's remote, for workers that do not see the cache."""

from collections.abc import Iterable, Iterator
from typing import Any

from dvc.repo import Repo, lock_repo
from dvc.stage.loader import StageLoader

from sedlib.cluster.jobs import Settled
from sedlib.errors import UserError


def publish(settled: Iterable[Settled]) -> None:
    """Push the outputs of stages, so that a worker anywhere can pull them.

    Raises
    ------
    UserError
        There is no default remote, or something could not be uploaded to it.
    """
    with Repo(".") as repo, lock_repo(repo):
        if not repo.config["core"].get("remote"):
            raise UserError(
                "some workers do not see this workspace, so that results must travel through a remote that all reach, "
                "and there is none: run `dvc remote add -d NAME URL`"
            )
        for objects in _objects(repo, settled):
            _whole(repo.cloud.push(objects), "uploaded to")


def fetch(settled: Iterable[Settled]) -> None:
    """Pull the outputs of stages, and the run-cache that knows them, into the cache.

    Raises
    ------
    UserError
        Something could not be downloaded.
    """
    with Repo(".") as repo, lock_repo(repo):
        repo.stage_cache.pull(None)
        for objects in _objects(repo, settled):
            _whole(repo.cloud.pull(objects), "downloaded from")


def _whole(transfer: Any, done: str) -> None:
    """Refuse a transfer of which DVC only logs what failed."""
    if transfer.failed:
        names = ", ".join(sorted(found.value for found in transfer.failed)[:3])
        raise UserError(f"{len(transfer.failed)} files could not be {done} DVC's default remote, {names} among them")


def _objects(repo: Repo, settled: Iterable[Settled]) -> Iterator[Any]:
    for found in {item.where: item for item in settled}.values():
        stage = repo.stage.load_one(*found.where)
        StageLoader.fill_from_lock(stage, found.entry)
        yield from stage.get_used_objs().values()
