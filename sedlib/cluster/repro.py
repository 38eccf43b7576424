"""`sedlib repro`: stale stages in parallel, then one ordinary `dvc repro` that restores what they made."""

import sys
from collections.abc import Sequence
from pathlib import Path

from distributed import Client
from dvc.exceptions import DvcException

from sedlib.cluster.clusters import Workers, connected
from sedlib.cluster.engine import Outcome, execute
from sedlib.cluster.guard import guarded
from sedlib.cluster.jobs import Job
from sedlib.cluster.plan import Plan, plan
from sedlib.cluster.remote import publish
from sedlib.cluster.repair import mend
from sedlib.cluster.snapshot import Snapshot, take
from sedlib.cluster.view import View
from sedlib.cluster.workers import prepare, versions
from sedlib.cluster.workspace import Stopped, alone, settings, stoppable
from sedlib.errors import UserError

SECONDS_FOR_DVC_TO_STOP = 5


def repro(targets: Sequence[str], workers: Workers) -> int:
    """Bring ``targets`` up to date, all stages by default; exit code.

    Raises
    ------
    UserError
        Nothing can be run: see the modules that this one calls.
    """
    root = Path.cwd()
    try:
        with stoppable(), alone(root) as scratch:
            try:
                return _repro(root, scratch, targets, workers)
            finally:
                _mend(root)
    except Stopped as stopped:
        _say("stopped; finished stages are kept, and `dvc repro` or this command goes on from there")
        return stopped.exit_code
    except DvcException as error:
        raise UserError(str(error)) from error


def _repro(root: Path, scratch: Path, targets: Sequence[str], workers: Workers) -> int:
    _mend(root)
    found = plan(targets)
    if not found.tasks:
        return _dvc("repro", *targets)
    with connected(workers) as client:
        outcome, remote = run(client, [(take(root), found)], scratch)
    pull = ["--pull"] * remote
    if not outcome.failed:
        return _dvc("repro", *pull, *targets)
    report(outcome)
    kept = [*found.settled, *[task.stage for task in found.tasks if task.key in outcome.done]]
    if kept:
        _dvc("repro", *pull, "--single-item", *kept)
    return 1


def run(client: Client, plans: Sequence[tuple[Snapshot, Plan]], scratch: Path) -> tuple[Outcome, bool]:
    """Run the tasks of several plans, equal ones once; and whether results lie in the remote."""
    remote = prepare(client, str(scratch))
    tasks = {task.key: (task, snapshot) for snapshot, found in plans for task in found.tasks}
    if remote:
        publish(item for task, _ in tasks.values() for item in task.inputs)
    configuration = settings()
    jobs = [
        Job(task, snapshot.commit, snapshot.prefix, configuration, str(scratch), remote, versions())
        for task, snapshot in tasks.values()
    ]
    bundles = {snapshot.commit: snapshot.bundle for _, snapshot in tasks.values()}
    with View({key: task.stage for key, (task, _) in tasks.items()}, client.dashboard_link) as view:
        return execute(client, jobs, bundles, view), remote


def report(outcome: Outcome) -> None:
    """Name every failed stage, with the end of what it printed."""
    for failure in outcome.failed.values():
        _say(f"\nfailed: {failure}\n{failure.tail}".rstrip())
    _say(f"\n{len(outcome.failed)} failed, {len(outcome.skipped)} need one of them, {len(outcome.done)} done")


def _dvc(*arguments: str) -> int:
    with guarded([sys.executable, "-m", "dvc", *arguments], grace=SECONDS_FOR_DVC_TO_STOP) as process:
        return process.wait()


def _mend(root: Path) -> None:
    for text in mend(root):
        _say(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
