"""`sedlib plan`: what `sedlib repro` would do with each stage, and what the stages to run took last time."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import get_active_graph
from dvc.stage import Stage

from sedlib.base.errors import UserError
from sedlib.cluster.changed_copies import ChangedCopies
from sedlib.cluster.exclusive import working
from sedlib.cluster.grid import grid
from sedlib.cluster.plan.planning import Plan, in_order, plan
from sedlib.cluster.stage_runs import StageRun, known

MOST_LINES = 20
"""Of single stages; more are shown by kind."""
RUN, PULL, RESTORE, CURRENT = "run", "pull", "restore", "up to date"
MEANINGS = {
    RUN: "no result in the cache was made from their inputs, parameters and code",
    PULL: "nothing changed, but their results are not here: `dvc repro --pull` fetches them from the remote, if it has "
    "them; `sedlib repro` and plain `dvc repro` compute them again",
    RESTORE: "the cache has their results",
    CURRENT: "nothing is done",
}

IN_A_COPY = {**MEANINGS, RESTORE: "their results are here"}


@dataclass(frozen=True)
class Step:
    """What would be done with a stage."""

    stage: str
    what: str


def show_plan(targets: Sequence[str], overrides: Sequence[str] = ()) -> int:
    """Print it; exit code.

    Parameters
    ----------
    overrides
        Values of parameters, as ``-S`` takes them: what would be done with them, in a copy. The workspace stays as it
        is, and what it has of results is not told from what the cache has.

    Raises
    ------
    UserError
        `sedlib repro` would refuse to run, or the overrides are more than one combination of values.
    """

    def command(root: Path, scratch: Path) -> int:
        if not overrides:
            print(as_text(list(steps(plan(targets), targets)), known(root)))
            return 0
        combinations = grid(overrides)
        if len(combinations) > 1:
            raise UserError(f"-S of `sedlib plan` takes one value for a name, got {len(combinations)} combinations")
        logging.getLogger("dvc").setLevel(logging.WARNING)  # what it says of a copy's dvc.lock is no advice here
        with ChangedCopies(root, scratch).entered(combinations[0]):
            print(as_text(list(steps(plan(targets), targets)), known(root), IN_A_COPY))
        return 0

    return working(command)


def steps(found: Plan, targets: Sequence[str]) -> Iterator[Step]:
    """Of each stage that targets need, upstream first."""
    done: dict[str, str] = {}
    with Repo(".") as repo, lock_repo(repo):
        graph = get_active_graph(repo.index.graph)
        for stage in in_order(repo, targets):
            upstream = list(graph.successors(stage))
            above = {done.get(other.addressing, CURRENT) for other in upstream}
            done[stage.addressing] = _what(stage, upstream, above, found)
            if stage.cmd:
                yield Step(stage.addressing, done[stage.addressing])


def _what(stage: Stage, upstream: list[Stage], above: set[str], found: Plan) -> str:
    if stage.addressing in found.settled:
        return RESTORE if stage.changed() else CURRENT
    if RUN in above:
        return RUN
    if stage.addressing in found.left:
        return RUN if above - {CURRENT} or stage.changed() else CURRENT
    if stage.changed(True, upstream):
        return RUN
    if not stage.changed_outs():
        return CURRENT
    return PULL if any(out.use_cache and out.changed_cache() for out in stage.outs) else RESTORE


def as_text(found: Sequence[Step], runs: dict[str, StageRun], meanings: Mapping[str, str] = MEANINGS) -> str:
    """A paragraph for each kind of step; a few one by one, more by kind, with what they took."""
    parts = []
    for what, meaning in meanings.items():
        stages = [step.stage for step in found if step.what == what]
        if stages:
            parts.append(f"{what}: {len(stages)} {'stage' if len(stages) == 1 else 'stages'}, as {meaning}")
            parts += [f"  {line}" for line in _lines(stages, runs, what)]
    return "\n".join(parts or ["there is no stage"])


def _lines(stages: list[str], runs: dict[str, StageRun], what: str) -> list[str]:
    if what == CURRENT:
        return []
    by_name: dict[str, list[str]] = {}
    for stage in stages:
        by_name.setdefault(stage.partition("@")[0] if len(stages) > MOST_LINES else stage, []).append(stage)
    named = {name if len(of) == 1 else f"{name} × {len(of)}": of for name, of in by_name.items()}
    if what == RESTORE:
        return list(named)
    width = max(map(len, named))
    minutes = {name: [runs[stage].core_minutes for stage in of if stage in runs] for name, of in named.items()}
    lines = [
        f"{name:<{width}}" + (f" {sum(found):>8.1f} core minutes last time" if found else "")
        for name, found in minutes.items()
    ]
    unknown = sum(stage not in runs for stage in stages)
    more = f", and {unknown} of which `sedlib repro` has computed none here" if unknown else ""
    return [*map(str.rstrip, lines), f"in all {sum(map(sum, minutes.values())):.1f} core minutes{more}"]
