"""Stages as Dask tasks: each when those it needs are done and a worker is free, those with the longest way to go first.

Dask itself would hand a stage to a worker as soon as it can start, where the results that it reads are, and let short
chains overtake long ones. What stages read are names of files in a cache: any worker will do.
"""

import queue
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, sleep

from distributed import Client, Future, Worker

from sedlib.cluster.jobs import Job, Settled, StageFailed, Task
from sedlib.cluster.view import View
from sedlib.cluster.work import run_stage
from sedlib.cluster.workers import GPU, STAGE
from sedlib.errors import UserError

SECONDS_BETWEEN_LOOKS = 1.0  # for workers that joined
SECONDS_TO_STOP = 10.0
GONE = "the Dask scheduler went away; finished stages are in the cache: run the command again"


@dataclass
class Outcome:
    """How each task ended, by key."""

    done: dict[str, Settled] = field(default_factory=dict)
    failed: dict[str, StageFailed] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)  # downstream of a failed one


def execute(client: Client, jobs: Sequence[Job], bundles: Mapping[str, bytes], view: View) -> Outcome:
    """Run all jobs, each after those it needs, which come before it.

    Raises
    ------
    UserError
        The scheduler went away.
    """
    client.subscribe_topic(jobs[0].topic, lambda event: view.heard(event[1]["key"], event[1]["text"]))
    running = _Running(client, jobs, bundles, view)
    try:
        running.to_the_end()
    finally:
        stop(client, running.futures)
    return running.outcome


def chains(tasks: Sequence[Task]) -> dict[str, int]:
    """By key: stages of the longest chain that waits for a task. Long ones first, as they end last."""
    found = {task.key: 0 for task in tasks}
    for task in reversed(tasks):
        for key in task.needs:
            found[key] = max(found[key], found[task.key] + 1)
    return found


class _Running:
    """Which jobs wait, which are with a worker, and how the others ended."""

    def __init__(self, client: Client, jobs: Sequence[Job], bundles: Mapping[str, bytes], view: View) -> None:
        self.client, self.view, self.outcome = client, view, Outcome()
        # Tasks too, so that they outlive the worker that holds them.
        self.snapshots = {
            name: client.submit(bytes, bundle, key=f"snapshot-{name}") for name, bundle in bundles.items()
        }
        below = chains([job.task for job in jobs])
        self.waiting = sorted(jobs, key=lambda job: -below[job.task.key])
        self.sent: dict[str, Task] = {}  # not ended yet, by Dask's key, as the next
        self.futures: dict[str, Future[Settled]] = {}
        self.ended: queue.SimpleQueue[Future[Settled]] = queue.SimpleQueue()

    def to_the_end(self) -> None:
        """Send and settle until nothing waits or runs."""
        while self.waiting or self.sent:
            self.send()
            with suppress(queue.Empty):
                self.settle(self.ended.get(timeout=SECONDS_BETWEEN_LOOKS))

    def send(self) -> None:
        """Give jobs that can start to free workers."""
        gpus = self._have_gpu()
        free = len(gpus) - len(self.sent)
        free_gpus = sum(gpus) - sum(task.on_device for task in self.sent.values())
        for job in list(self.waiting):
            wants_gpu = any(gpus) and job.task.on_device
            if free > 0 and free_gpus >= wants_gpu and self.outcome.done.keys() >= set(job.task.needs):
                self.waiting.remove(job)
                self._submit(job, {STAGE: 1, GPU: 1} if wants_gpu else {STAGE: 1})
                free, free_gpus = free - 1, free_gpus - wants_gpu

    def settle(self, future: Future[Settled]) -> None:
        """Take in how a task ended."""
        task = self.sent.pop(str(future.key))
        del self.futures[str(future.key)]
        if future.status == "finished":
            self.outcome.done[task.key] = found = _result(future)
            self.view.ended(task.key, "restored" if found.restored else "done")
        elif future.status == "error":
            self.outcome.failed[task.key] = failure = _failure(task.stage, future.exception())
            self.view.ended(task.key, "failed", failure.reason)
            self._skip_below(task)
        else:
            raise UserError(GONE)

    def _have_gpu(self) -> list[bool]:
        """One for each worker that takes stages."""
        if self.client.status == "closed":
            raise UserError(GONE)
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return [GPU in worker["resources"] for worker in workers if STAGE in worker["resources"]]

    def _submit(self, job: Job, resources: Mapping[str, int]) -> None:
        needed = [self.outcome.done[key] for key in job.task.needs]
        self.sent[job.dask_key] = job.task
        self.futures[job.dask_key] = future = self.client.submit(
            run_stage, job, self.snapshots[job.commit], *needed, key=job.dask_key, resources=resources
        )
        future.add_done_callback(self.ended.put)

    def _skip_below(self, failed: Task) -> None:
        lost = {failed.key}
        for job in list(self.waiting):  # in which a task stands behind those it needs
            if lost & set(job.task.needs):
                self.waiting.remove(job)
                lost.add(job.task.key)
                self.outcome.skipped.append(job.task.key)
                self.view.ended(job.task.key, "skipped")


def _result(future: Future[Settled]) -> Settled:
    try:
        return future.result()
    except CancelledError as error:
        raise UserError(GONE) from error


def _failure(stage: str, error: BaseException | None) -> StageFailed:
    return error if isinstance(error, StageFailed) else StageFailed(stage, f"{type(error).__name__}: {error}")


def stop(client: Client, futures: Mapping[str, Future[Settled]]) -> None:
    """Cancel what is not finished, and wait until no worker runs any of it."""
    if client.status != "running" or not futures:
        return
    deadline = monotonic() + SECONDS_TO_STOP
    keys = [future.key for future in futures.values()]
    with suppress(OSError):  # the scheduler is gone, and workers stop with it
        client.cancel(list(futures.values()))
        while True in client.run(_running, keys, on_error="ignore").values() and monotonic() < deadline:
            sleep(0.1)


def _running(keys: Sequence[str], dask_worker: Worker | None = None) -> bool:
    """Runs on each worker; Dask passes it by that name."""
    assert dask_worker
    return any(key in dask_worker.active_threads.values() for key in keys)
