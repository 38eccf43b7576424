"""`sedlib sweep`: a grid's stages in parallel, then each point as a DVC experiment that restores them."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sedlib.base.progress import say
from sedlib.cluster.changed_copies import ChangedCopies
from sedlib.cluster.clusters import Workers, connected
from sedlib.cluster.engine import Outcome
from sedlib.cluster.exclusive import settings, working
from sedlib.cluster.grid import grid
from sedlib.cluster.plan.planning import Plan, plan
from sedlib.cluster.repro import dvc, report, run
from sedlib.cluster.worker.child import configure
from sedlib.cluster.worker.remote import fetch
from sedlib.cluster.worker.snapshot import Snapshot, git, take


@dataclass(frozen=True)
class Point:
    """One combination of values, as ``-S`` takes them, with the workspace that has them and its stale stages."""

    overrides: list[str]
    snapshot: Snapshot
    plan: Plan


def sweep(overrides: Sequence[str], targets: Sequence[str], workers: Workers) -> int:
    """Register every point of the grid ``overrides`` as an experiment on the current commit; exit code.

    Raises
    ------
    UserError
        Nothing can be run: see the modules that this one calls.
    """
    return working(lambda root, scratch: _sweep(root, scratch, overrides, targets, workers))


def _sweep(root: Path, scratch: Path, overrides: Sequence[str], targets: Sequence[str], workers: Workers) -> int:
    combinations = grid(overrides)
    os.environ.update(_identity(root))
    copies = ChangedCopies(root, scratch)
    points = []
    for by_file in combinations:
        with copies.entered(by_file) as named:
            points.append(Point(named, take(Path.cwd()), plan(targets)))
    outcome, remote = Outcome(), False
    if any(point.plan.tasks for point in points):
        with connected(workers, scratch) as client:
            outcome, remote = run(client, [(point.snapshot, point.plan) for point in points], root, scratch)
    if remote:
        fetch(outcome.done.values())
    if outcome.failed:
        report(outcome)
    whole = [point for point in points if all(task.key in outcome.done for task in point.plan.tasks)]
    failed = [point for point in whole if not _register(root, copies, scratch, point.overrides, targets)]
    return 1 if failed or len(whole) < len(points) else 0


def _identity(root: Path) -> dict[str, str]:
    """Whose commits the experiments are, by the workspace's git, whose configuration no clone has.

    Raises
    ------
    UserError
        Git does not know it; the message is its own and says what to do.
    """
    found: dict[str, str] = {}
    for who in ("AUTHOR", "COMMITTER"):
        name, _, rest = git("var", f"GIT_{who}_IDENT", cwd=root).partition(" <")
        found |= {f"GIT_{who}_NAME": name, f"GIT_{who}_EMAIL": rest.partition(">")[0]}
    return found


def _register(
    root: Path, copies: ChangedCopies, scratch: Path, overrides: Sequence[str], targets: Sequence[str]
) -> bool:
    """Make the experiment in a clone of the workspace, which is not touched, and fetch it from there."""
    folder = scratch / f"experiment-{len(list(scratch.glob('experiment-*')))}"
    git("clone", "--quiet", "--shared", git("rev-parse", "--show-toplevel", cwd=root), str(folder), cwd=root)
    git("fetch", "--quiet", str(copies.origin), "snapshot", cwd=folder)
    git("restore", "--source=FETCH_HEAD", "--staged", "--worktree", ".", cwd=folder)  # with uncommitted changes
    configuration = settings()
    with contextlib.chdir(folder / copies.prefix):
        configure(configuration)
    chosen = [argument for override in overrides for argument in ("--set-param", override)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    code = dvc("exp", "run", *chosen, *targets, cwd=folder / copies.prefix, env=environment)
    if code == 0:
        for name in git("for-each-ref", "--format=%(refname)", "refs/exps/", cwd=folder).splitlines():
            if name.count("/") == 4:  # refs/exps/<commit, in two parts>/<name>; the others are DVC's bookkeeping
                git("fetch", "--quiet", str(folder), f"{name}:{name}", cwd=root)
                say(f"experiment {name.split('/')[-1]}: {' '.join(overrides)}")
    return code == 0
