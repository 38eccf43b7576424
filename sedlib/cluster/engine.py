"""Stages as Dask tasks, with DVC's edges as their dependencies."""

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
    futures = submit(client, jobs, bundles)
    try:
        return follow(futures, {job.dask_key: job for job in jobs}, view)
    finally:
        stop(client, futures)


def submit(client: Client, jobs: Sequence[Job], bundles: Mapping[str, bytes]) -> dict[str, Future[Settled]]:
    """Futures by key. Snapshots are tasks too, so that they outlive the worker that holds them."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    with_gpu = any(GPU in worker["resources"] for worker in workers)
    snapshots = {name: client.submit(bytes, bundle, key=f"snapshot-{name}") for name, bundle in bundles.items()}
    below = chains([job.task for job in jobs])
    futures: dict[str, Future[Settled]] = {}
    for job in jobs:
        futures[job.task.key] = client.submit(
            run_stage,
            job,
            snapshots[job.commit],
            *[futures[key] for key in job.task.needs],
            key=job.dask_key,
            priority=below[job.task.key],
            resources={STAGE: 1, GPU: 1} if with_gpu and job.task.on_device else {STAGE: 1},
        )
    return futures


def chains(tasks: Sequence[Task]) -> dict[str, int]:
    """By key: stages of the longest chain that waits for a task. Long ones first, as they end last."""
    found = {task.key: 0 for task in tasks}
    for task in reversed(tasks):
        for key in task.needs:
            found[key] = max(found[key], found[task.key] + 1)
    return found


def follow(futures: Mapping[str, Future[Settled]], jobs: Mapping[str, Job], view: View) -> Outcome:
    """Wait for every future and show what it came to."""
    outcome = Outcome()
    ended: queue.SimpleQueue[Future[Settled]] = queue.SimpleQueue()
    for future in futures.values():
        future.add_done_callback(ended.put)
    for _ in futures:
        future = ended.get()
        task = jobs[str(future.key)].task
        if future.status == "finished":
            outcome.done[task.key] = found = _result(future)
            view.ended(task.key, "restored" if found.restored else "done")
        elif future.status != "error":
            raise UserError(GONE)
        elif any(futures[key].status == "error" for key in task.needs):
            outcome.skipped.append(task.key)
            view.ended(task.key, "skipped")
        else:
            outcome.failed[task.key] = failure = _failure(task.stage, future.exception())
            view.ended(task.key, "failed", failure.reason)
    return outcome


def _result(future: Future[Settled]) -> Settled:
    try:
        return future.result()
    except CancelledError as error:
        raise UserError(GONE) from error


def _failure(stage: str, error: BaseException | None) -> StageFailed:
    return error if isinstance(error, StageFailed) else StageFailed(stage, f"{type(error).__name__}: {error}")


def stop(client: Client, futures: Mapping[str, Future[Settled]]) -> None:
    """Cancel what is not finished, and wait until no worker runs any of it."""
    if client.status != "running" or all(future.done() for future in futures.values()):
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
