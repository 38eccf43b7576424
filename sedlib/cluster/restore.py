"""Results in the workspace, all at once: by itself `dvc repro` reads and writes dvc.lock anew for every stage."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby

from dvc.exceptions import CheckoutError
from dvc.repo import Repo, lock_repo
from dvc.stage.loader import StageLoader

from sedlib.cluster.jobs import Settled
from sedlib.cluster.plan import in_order


def restore(results: Iterable[Settled], targets: Sequence[str], pull: bool) -> None:
    """Write lock entries and link outputs from the cache, after downloading them if ``pull``.

    What cannot be linked is left to `dvc repro`, which says why.
    """
    entries = {found.where: found.entry for found in results if found.entry}
    with Repo(".") as repo, lock_repo(repo):
        stages = [stage for stage in in_order(repo, targets) if (stage.relpath, stage.name) in entries]
        for stage in stages:
            StageLoader.fill_from_lock(stage, entries[stage.relpath, stage.name])
            stage.ignore_outs()
        for file, group in groupby(stages, key=lambda stage: stage.dvcfile):
            file.dump_stages(list(group), update_pipeline=False)
    if stages:
        with Repo(".") as repo, suppress(CheckoutError):
            (repo.pull if pull else repo.checkout)(targets=[stage.addressing for stage in stages])
