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
        There is no default remote.
    """
    with Repo(".") as repo, lock_repo(repo):
        if not repo.config["core"].get("remote"):
            raise UserError(
                "some workers do not see this workspace, so that results must travel through a remote that all reach, "
                "and there is none: run `dvc remote add -d NAME URL`"
            )
        for objects in _objects(repo, settled):
            repo.cloud.push(objects)


def fetch(settled: Iterable[Settled]) -> None:
    """Pull the outputs of stages, and the run-cache that knows them, into the cache."""
    with Repo(".") as repo, lock_repo(repo):
        repo.stage_cache.pull(None)
        for objects in _objects(repo, settled):
            repo.cloud.pull(objects)


def _objects(repo: Repo, settled: Iterable[Settled]) -> Iterator[Any]:
    for found in {item.where: item for item in settled}.values():
        stage = repo.stage.load_one(*found.where)
        StageLoader.fill_from_lock(stage, found.entry)
        yield from stage.get_used_objs().values()
