"""Results in the workspace, all at once: by itself `dvc repro` reads and writes dvc.lock anew for every stage."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby

from dvc.exceptions import CheckoutError
from dvc.repo import Repo, lock_repo
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile

from sedlib.cluster.plan.jobs import Settled
from sedlib.cluster.plan.planning import in_order


def restore(results: Iterable[Settled], targets: Sequence[str]) -> None:
    """Write lock entries and link outputs from the cache, of the stages whose results are not in the workspace yet.

    What lies in an output's place is overwritten, as by `dvc repro`. What cannot be linked is left to that, which says
    why.
    """
    entries = {found.where: found.entry for found in results if found.entry}
    with Repo(".") as repo, lock_repo(repo):
        stages = [stage for stage in in_order(repo, targets) if (stage.relpath, stage.name) in entries]
        news = [stage for stage in stages if to_single_stage_lockfile(stage) != entries[stage.relpath, stage.name]]
        for stage in news:
            StageLoader.fill_from_lock(stage, entries[stage.relpath, stage.name])
            stage.ignore_outs()
        for file, group in groupby(news, key=lambda stage: stage.dvcfile):
            file.dump_stages(list(group), update_pipeline=False)
        for out in [out for stage in stages if stage.changed_outs() for out in stage.outs]:
            with suppress(CheckoutError):
                out.checkout(force=True)
