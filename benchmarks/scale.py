"""What `sedlib repro` does with many runs on many workers, by simulation: python -m benchmarks.scale [--runs 10000].

The engine is the real one, with the stages of dvc.yaml and geometry/dvc.yaml for as many runs as are asked for. Workers
and Dask are played: a stage ends after the seconds that it takes on this machine, by a clock that is set
forward, and the engine's own seconds count in full. Beside it the locks that DVC would read and write.
"""

import argparse
import heapq
import itertools
import queue
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ruamel.yaml import YAML

from sedlib.cluster import engine
from sedlib.cluster.plan.jobs import Job, Settled, Task
from sedlib.cluster.view import View
from sedlib.cluster.worker.workers import STAGE

ROOT = Path(__file__).resolve().parent.parent
PIPELINES = ("dvc.yaml", "geometry/dvc.yaml")
SECONDS = {
    "train": 90.0,
    "dump": 19.0,
    "bases": 8.0,
    "centroids": 14.0,
    "coupling": 75.0,
    "fourier": 14.0,
    "trajectory": 9.0,
    "curvature": 25.0,
    "figures": 5.0,
}
"""Seconds of each stage of a run of one operation, two stages at a time, one thread each (docs/performance.md)."""


def needs() -> dict[str, list[str]]:
    """The stages of a run with those whose outputs they read, as the pipelines say."""
    stages: dict[str, dict[str, Any]] = {}
    for file in PIPELINES:
        stages |= YAML(typ="safe").load((ROOT / file).read_text())["stages"]
    chosen = {name: stages[name] for name in SECONDS}
    makers = {out: name for name, stage in chosen.items() for out in stage["outs"]}
    return {name: sorted({makers[dep] for dep in stage["deps"] if dep in makers}) for name, stage in chosen.items()}


def tasks(runs: int) -> list[Task]:
    """All stages of all runs, each behind those that it needs."""
    needed = needs()
    order: list[str] = []
    while len(order) < len(needed):
        order += [name for name in needed if name not in order and set(needed[name]) <= set(order)]
    return [
        Task(f"{name}@{run}", "dvc.yaml", name, f"{name}@{run}", tuple(f"{each}@{run}" for each in needed[name]))
        for name in order
        for run in range(runs)
    ]


class Clock:
    """Seconds of the simulation: the engine's own, and what is waited for."""

    def __init__(self) -> None:
        self.skipped, self.start = 0.0, time.perf_counter()

    @property
    def now(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.start + self.skipped

    def wait_until(self, moment: float) -> None:
        """Set forward."""
        self.skipped += max(0.0, moment - self.now)


@dataclass
class PlayedFuture:
    """A stage that ends well."""

    key: str
    found: Settled
    status: str = "finished"

    def result(self, timeout: float) -> Settled:
        """How it ended."""
        return self.found

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """The queue below puts it."""


class PlayedClient:
    """Workers that are always there, and take what the engine gives them."""

    status = "running"

    def __init__(self, workers: int, clock: Clock) -> None:
        self.clock, self.scheduler = clock, self
        self.ends: list[tuple[float, int, PlayedFuture]] = []
        self.numbers = itertools.count()
        self.found = {f"tcp://{number}": {"resources": {STAGE: 1}, "memory_limit": 2**33} for number in range(workers)}

    def identity(self, n_workers: int) -> dict[str, Any]:
        """All workers."""
        return {"workers": self.found}

    def sync(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """At once."""
        return function(**arguments)

    def submit(self, function: Callable[..., Any], job: Any, *others: Any, key: str, **options: Any) -> PlayedFuture:
        """Note when it will end."""
        task = job.task if isinstance(job, Job) else None
        future = PlayedFuture(key, Settled("dvc.yaml", key, {}, restored=False))
        if task:
            heapq.heappush(self.ends, (self.clock.now + SECONDS[task.name], next(self.numbers), future))
        return future

    def subscribe_topic(self, *_: Any) -> None:
        """Nobody reports."""

    def cancel(self, futures: list[PlayedFuture]) -> None:
        """Nothing is left."""

    def put(self, future: PlayedFuture) -> None:
        """Never called."""

    def get(self, timeout: float) -> PlayedFuture:
        """The stage that ends next, in place of the engine's queue; none within ``timeout``."""
        if not self.ends or self.ends[0][0] > self.clock.now + timeout:
            self.clock.wait_until(self.clock.now + timeout)
            raise queue.Empty
        self.clock.wait_until(self.ends[0][0])
        return heapq.heappop(self.ends)[2]


def simulated(runs: int, workers: int) -> tuple[float, float, float]:
    """Makespan in seconds, share of the workers' time in stages, and the engine's seconds a stage."""
    jobs = [Job(task, "none", ".", {}, "simulation", False, {}) for task in tasks(runs)]
    view = View({job.task.key: job.task.stage for job in jobs}, "none")
    clock = Clock()
    client: Any = PlayedClient(workers, clock)
    with patch.object(view, "ended"), patch.object(engine, "stop"), patch("queue.SimpleQueue", lambda: client):
        outcome = engine.execute(client, jobs, {"none": b""}, view, lambda done: None)
    assert len(outcome.done) == len(jobs)
    makespan, own = clock.now, clock.now - clock.skipped
    work = sum(SECONDS[job.task.name] for job in jobs)
    return makespan, work / (workers * makespan), own / len(jobs)


def locks() -> Iterator[tuple[str, int, int]]:
    """Of each committed lock: lines and bytes of the stages of a run, which every run has."""
    for file in PIPELINES:
        lock = (ROOT / file).with_suffix(".lock")
        entries = re.findall(r"^  (\w+)@([\w-]+):\n((?:    .*\n)+)", lock.read_text(), re.MULTILINE)
        found = [(run, text) for name, run, text in entries if name in SECONDS]
        runs, text = len({run for run, _ in found}), "".join(text for _, text in found)
        yield str(lock.relative_to(ROOT)), text.count("\n") // runs, len(text) // runs


def seconds_of_a_line() -> tuple[float, float]:
    """Seconds to read and to write a line of a lock, by DVC's parser."""
    from dvc.utils.serialize import dumps_yaml, parse_yaml

    text = (ROOT / "dvc.lock").read_text()
    start = time.process_time()
    parsed = parse_yaml(text, "dvc.lock")
    read = time.process_time() - start
    start = time.process_time()
    dumps_yaml(parsed)
    count = text.count("\n")
    return read / count, (time.process_time() - start) / count


def main(runs: list[int], workers: int) -> None:
    """Print both tables."""
    print(f"| runs on {workers:,} workers | stages | hours | busy | engine, ms a stage |\n|---|---|---|---|---|")
    for count in runs:
        makespan, share, own = simulated(count, workers)
        stages = count * len(SECONDS)
        print(f"| {count:,} | {stages:,} | {makespan / 3600:.2f} | {share:.1%} | {1000 * own:.1f} |", flush=True)
    read, write = seconds_of_a_line()
    print("\n| lock of 10,000 runs | lines | MB | read, CPU s | written, CPU s |\n|---|---|---|---|---|")
    for name, lines, size in locks():
        many = 10_000 * lines
        cells = [f"{many:,}", f"{10_000 * size / 2**20:,.0f}", f"{many * read:,.0f}", f"{many * write:,.0f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--workers", type=int, default=1000)
    main(**vars(parser.parse_args()))
