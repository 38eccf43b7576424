"""Which stages are stale, and what each waits for: DVC's own graph, without the stages that are settled."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dvc.dvcfile import PROJECT_FILE
from dvc.exceptions import ReproductionError
from dvc.fs import localfs
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage
from dvc.stage.serialize import to_single_stage_lockfile

from sedlib.base.errors import UserError
from sedlib.cluster.plan.inputs import refuse_untracked
from sedlib.cluster.plan.jobs import Settled, Task
from sedlib.cluster.plan.settled import hashed, holds_produced, produced_hash, restorable, settle

# What a stage says of itself under `meta` in dvc.yaml.
USES_GPU = "gpu"  # it computes on the device that SEDLIB_DEVICE names
PLANS = "plans"  # its outputs say what else is stale: it runs in the workspace, before the plan is made


@dataclass
class Plan:
    """The stages that targets need, upstream first; each is in one of the three."""

    tasks: list[Task] = field(default_factory=list)
    settled: dict[str, Settled] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)  # the run-cache cannot hold them: for the last `dvc repro`
    current: bool = False  # nothing is to be done, also in the workspace


def plan(targets: Sequence[str] = ()) -> Plan:
    """Sort the stages that ``targets`` need in the DVC repository whose root is the working directory.

    Raises
    ------
    UserError
        A stale stage depends on a file that is missing, or that git does not track; or a stage fails that says what
        else is stale.
    """
    with Repo(".") as repo:
        with lock_repo(repo):
            stages = in_order(repo, targets)
            first = [stage.addressing for stage in stages if _plans(stage) and stage.changed()]
            if not first:
                return _sorted(repo, stages)
        _run(repo, first)
    with Repo(".") as repo, lock_repo(repo):  # what has run is read anew
        return _sorted(repo, in_order(repo, targets))


def _plans(stage: Stage) -> bool:
    return bool((stage.meta or {}).get(PLANS))


def _run(repo: Repo, stages: Sequence[str]) -> None:
    """Run the stages that say what else is stale: they take a second, and read nothing that others write."""
    for address in stages:
        try:
            repo.reproduce(address, single_item=True)
        except ReproductionError as error:
            raise UserError(f"stage {address} fails, which says what else is stale: {error}") from error


def _sorted(repo: Repo, stages: Sequence[Stage]) -> Plan:
    graph = get_active_graph(repo.index.graph)
    sorting = _Sorting()
    for stage in stages:
        sorting.add(stage, list(graph.successors(stage)))
    reading = [*sorting.stale, *filter(_plans, graph)]  # what these read they say of others
    refuse_untracked(repo, reading, {out.fs_path for stage in graph for out in stage.outs})
    sorting.plan.current = not sorting.stale and not any(stage.changed() for stage in stages)
    return sorting.plan


def in_order(repo: Repo, targets: Sequence[str]) -> list[Stage]:
    """What `dvc repro` with these targets looks at, in its order.

    Raises
    ------
    UserError
        A target is empty, as of a variable that is not set: to DVC it is every stage, those of all sweeps among them.
    """
    if not all(target.strip() for target in targets):
        raise UserError("a target is empty; name a stage or a dvc.yaml, or leave targets out for those of dvc.yaml")
    graph = get_active_graph(repo.index.graph)
    known = {stage.addressing: stage for stage in graph}  # DVC reads all of dvc.lock again for each target
    others = [target for target in targets or [PROJECT_FILE] if target not in known]
    chosen = [known[target] for target in targets if target in known]
    return list(plan_repro(graph, [*chosen, *collect_stages(repo, others)]))


class _Sorting:
    """The plan so far, with what stages downstream need of it."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.stale: list[Stage] = []
        self.produced: dict[str, Any] = {}  # outputs of settled stages, by path
        self.keys: dict[str, str] = {}  # of tasks, by stage

    def add(self, stage: Stage, upstream: list[Stage]) -> None:
        """Sort a stage whose ``upstream`` is sorted."""
        names = [other.addressing for other in upstream]
        ready = all(name in self.plan.settled for name in names)
        if not stage.cmd and ready and not stage.changed():  # data that DVC tracks
            self._settle(stage, None)
        elif _plans(stage) and stage.always_changed:  # it has run just now
            self._settle(stage, dict(to_single_stage_lockfile(stage)))
        elif not restorable(stage) or any(name in self.plan.left for name in names):
            self.plan.left.append(stage.addressing)
        elif ready and _reads_known_outputs(stage, self.produced) and (entry := settle(stage, self.produced)):
            self._settle(stage, entry)
        else:
            self._run(stage, upstream)

    def _settle(self, stage: Stage, entry: dict[str, Any] | None) -> None:
        name = stage.name if stage.cmd else None
        self.plan.settled[stage.addressing] = Settled(stage.relpath, name, entry)
        self.produced |= {out.fs_path: out for out in stage.outs}

    def _run(self, stage: Stage, upstream: list[Stage]) -> None:
        settled = self.plan.settled
        names = [other.addressing for other in upstream]
        self.keys[stage.addressing] = self._key(stage, upstream)
        self.stale.append(stage)
        self.plan.tasks.append(
            Task(
                stage=stage.addressing,
                file=stage.relpath,
                name=stage.name,
                key=self.keys[stage.addressing],
                needs=tuple(self.keys[name] for name in names if name in self.keys),
                inputs=tuple(settled[name] for name in names if name in settled),
                on_device=bool((stage.meta or {}).get(USES_GPU)),
            )
        )

    def _key(self, stage: Stage, upstream: list[Stage]) -> str:
        """Hash of all that determines a result, so that stages which a grid's points share run once."""
        outs = [out for other in upstream for out in other.outs]
        own = [dep for dep in stage.deps if not any(localfs.overlaps(dep.fs_path, out.fs_path) for out in outs)]
        known = {dep.def_path: found[0].value for dep in stage.deps if (found := produced_hash(self.produced, dep))}
        waits = {other.addressing: self.keys.get(other.addressing) for other in upstream}
        content = [
            stage.addressing,
            stage.cmd,
            sorted(out.def_path for out in stage.outs),
            {dep.def_path: hashed(stage, dep) for dep in own},
            known,
            waits,
        ]
        text = json.dumps(content, sort_keys=True, default=str)
        return f"{stage.addressing}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _reads_known_outputs(stage: Stage, produced: Mapping[str, Any]) -> bool:
    """Whether no dependency is a folder that holds other stages' outputs."""
    inside = [dep for dep in stage.deps if produced_hash(produced, dep) is None]
    return not any(holds_produced(produced, dep) for dep in inside)
