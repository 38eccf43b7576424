"""Results through DVC's remote, for workers that do not see the cache."""

from collections.abc import Iterable, Iterator

from dvc.dvcfile import load_file
from dvc.repo import Repo, lock_repo
from dvc.stage import Stage
from dvc.stage.loader import StageLoader

from sedlib.base.errors import UserError
from sedlib.cluster.plan.jobs import Settled


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
        for stage in _stages(repo, settled):
            for objects in stage.get_used_objs().values():
                if failed := repo.cloud.push(objects).failed:  # DVC only logs them
                    raise UserError(f"{len(failed)} files of stage {stage.addressing} could not be uploaded")


def fetch(settled: Iterable[Settled]) -> None:
    """Pull the outputs of stages, and the run-cache that knows them, into the cache.

    Raises
    ------
    UserError
        Something could not be downloaded.
    """
    with Repo(".") as repo, lock_repo(repo):
        repo.stage_cache.pull(None)
        for stage in _stages(repo, settled):
            for objects in stage.get_used_objs().values():
                repo.cloud.pull(objects)
            if not stage.outs_cached():
                raise UserError(f"outputs of stage {stage.addressing} are not in DVC's default remote, or out of reach")


def _stages(repo: Repo, settled: Iterable[Settled]) -> Iterator[Stage]:
    files: dict[str, StageLoader] = {}  # reading one takes a while
    for found in {item.where: item for item in settled}.values():
        if found.file not in files:
            files[found.file] = load_file(repo, found.file).stages
        stage = files[found.file][found.name]
        StageLoader.fill_from_lock(stage, found.entry)
        yield stage
