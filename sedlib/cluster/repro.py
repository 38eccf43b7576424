"""`sedlib repro`: stale stages in parallel, their results into the workspace, then one ordinary `dvc repro`."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client
from dvc.exceptions import DvcException

from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.base.stops import Stopped
from sedlib.cluster.clusters import Workers, connected
from sedlib.cluster.engine import Outcome, execute
from sedlib.cluster.exclusive import settings, working
from sedlib.cluster.plan.jobs import Job, Settled
from sedlib.cluster.plan.planning import Plan, plan
from sedlib.cluster.restore import restore
from sedlib.cluster.stage_runs import record, start
from sedlib.cluster.view import View
from sedlib.cluster.worker.guard import guarded
from sedlib.cluster.worker.remote import fetch, publish
from sedlib.cluster.worker.snapshot import Snapshot, take
from sedlib.cluster.worker.workers import prepare, versions

SECONDS_FOR_DVC_TO_STOP = 5


def repro(targets: Sequence[str], workers: Workers, keep_failed: bool = False) -> int:
    """Bring ``targets`` up to date, all stages by default; exit code.

    Parameters
    ----------
    keep_failed
        Whether the folder of a stage that fails is kept.

    Raises
    ------
    UserError
        Nothing can be run: see the modules that this one calls.
    """
    return working(lambda root, scratch: _repro(root, scratch, targets, workers, keep_failed))


def _repro(root: Path, scratch: Path, targets: Sequence[str], workers: Workers, keep_failed: bool) -> int:
    found = plan(targets)
    if found.current:
        say("all results are up to date")
        return 0
    outcome, remote, here = Outcome(), False, list(found.settled.values())
    try:
        if found.tasks:
            with connected(workers, scratch) as client:
                outcome, remote = run(client, [(take(root), found)], root, scratch, keep_failed, here.append)
    except (Stopped, UserError):
        if len(here) > len(found.settled):
            with suppress(DvcException, OSError):  # all is in the cache anyway
                restore(here, targets)
        raise
    if remote:
        fetch(outcome.done.values())
    if outcome.failed:
        report(outcome)
    restore([*found.settled.values(), *outcome.done.values()], targets)
    return 1 if outcome.failed else dvc("repro", *["--pull"] * remote, *targets)


def run(
    client: Client,
    plans: Sequence[tuple[Snapshot, Plan]],
    root: Path,
    scratch: Path,
    keep_failed: bool = False,
    on_done: Callable[[Settled], None] = lambda settled: None,
) -> tuple[Outcome, bool]:
    """Run the tasks of several plans, equal ones once; and whether results lie in the remote.

    ``on_done`` hears of each whose results are in this cache, as soon as they are.
    """
    remote = prepare(client, str(scratch))
    tasks = {task.key: (task, snapshot) for snapshot, found in plans for task in found.tasks}
    if remote:
        publish(item for task, _ in tasks.values() for item in task.inputs)
    configuration = settings()
    jobs = [
        Job(
            task,
            snapshot.commit,
            snapshot.prefix,
            configuration,
            str(scratch),
            remote,
            versions(),
            keep_failed=keep_failed,
        )
        for task, snapshot in tasks.values()
    ]

    def ended(settled: Settled) -> None:
        record(root, settled)
        if not remote:
            on_done(settled)

    start(root)
    bundles = {snapshot.commit: snapshot.bundle for _, snapshot in tasks.values()}
    with View({key: task.stage for key, (task, _) in tasks.items()}, client.dashboard_link) as view:
        return execute(client, jobs, bundles, view, ended), remote


def report(outcome: Outcome) -> None:
    """Name every failed stage, with the end of what it printed."""
    for failure in outcome.failed.values():
        say(f"\nfailed: {failure}\n{failure.tail}".rstrip())
    say(f"\n{len(outcome.failed)} failed, {len(outcome.skipped)} need one of them, {len(outcome.done)} done")


def dvc(*arguments: str, **options: Any) -> int:
    """Exit code of a DVC command that ends with this process; ``options`` are those of `subprocess.Popen`."""
    with guarded([sys.executable, "-m", "dvc", *arguments], SECONDS_FOR_DVC_TO_STOP, **options) as process:
        return process.wait()
