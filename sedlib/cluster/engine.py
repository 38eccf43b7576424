"""Stages as Dask tasks: each goes to a free worker when those it needs are done, the longest chains first.

Dask itself would hand a stage to the worker that holds what the task reads, whatever else that does, and let short
chains overtake long ones. What stages read are names of files in a cache: any worker will do. So a worker is chosen
here, and one that goes away is noticed here.
"""

import queue
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic, sleep

import dask
from distributed import Client, Future, Worker

from sedlib.base.errors import UserError
from sedlib.cluster.plan.jobs import Job, Settled, StageFailed, Task
from sedlib.cluster.view import View
from sedlib.cluster.worker.work import run_stage
from sedlib.cluster.worker.workers import GPU, STAGE

SECONDS_BETWEEN_LOOKS = 1.0  # for workers that joined or went away
SECONDS_TO_FETCH = 10.0  # a result, before its worker counts as gone
SECONDS_TO_STOP = 10.0
ATTEMPTS = 4
LARGE_IS_MEANT = {"distributed.admin.large-graph-warning-threshold": "1PB"}
"""Dask advises to load on the workers what has more than 10 MB, and a repository is on this machine alone."""
GONE = "the Dask scheduler was lost; finished stages are in the cache: run the command again"


@dataclass
class Outcome:
    """How each task ended, by key."""

    done: dict[str, Settled] = field(default_factory=dict)
    failed: dict[str, StageFailed] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)  # downstream of a failed one


def execute(
    client: Client, jobs: Sequence[Job], bundles: Mapping[str, bytes], view: View, ended: Callable[[Settled], None]
) -> Outcome:
    """Run all jobs, each after those it needs, which come before it; ``ended`` hears of each that is done.

    Raises
    ------
    UserError
        The scheduler went away.
    """
    client.subscribe_topic(jobs[0].topic, lambda event: view.heard(event[1]["key"], event[1]["text"]))
    running = _Running(client, jobs, bundles, view, ended)
    try:
        running.to_the_end()
    finally:
        stop(client, [sent.future for sent in running.sent.values()])
    return running.outcome


def chains(tasks: Sequence[Task]) -> dict[str, int]:
    """By key: stages of the longest chain that waits for a task. Long ones first, as they end last."""
    found = {task.key: 0 for task in tasks}
    for task in reversed(tasks):
        for key in task.needs:
            found[key] = max(found[key], found[task.key] + 1)
    return found


@dataclass
class _Sent:
    job: Job
    worker: str
    future: Future[Settled]


class _Running:
    """Which jobs wait, which are with a worker, and how the others ended."""

    def __init__(
        self,
        client: Client,
        jobs: Sequence[Job],
        bundles: Mapping[str, bytes],
        view: View,
        on_done: Callable[[Settled], None],
    ) -> None:
        self.client, self.view, self.on_done, self.outcome = client, view, on_done, Outcome()
        # Tasks too, so that they outlive the worker that holds them.
        with dask.config.set(LARGE_IS_MEANT):
            self.snapshots = {
                name: client.submit(bytes, bundle, key=f"snapshot-{name}") for name, bundle in bundles.items()
            }
        self.below = chains([job.task for job in jobs])
        self.waiting = {job.task.key: job for job in jobs}  # for a task that has not ended
        self.lacking = {job.task.key: len(set(job.task.needs)) for job in jobs}
        self.behind: dict[str, list[str]] = {}
        for job in jobs:
            for key in set(job.task.needs):
                self.behind.setdefault(key, []).append(job.task.key)
        self.ready: list[Job] = []  # the most urgent first
        self._make_ready(job for job in jobs if not job.task.needs)
        self.sent: dict[str, _Sent] = {}  # not ended yet, by Dask's key
        self.ended: queue.SimpleQueue[Future[Settled]] = queue.SimpleQueue()
        self.workers: dict[str, bool] = {}
        self.looked = -inf
        self.memory: dict[str, float] = {}
        self.lacked: dict[str, int] = {}  # bytes that were too few for a task, by its key
        self.has_gpus = False  # so far: device stages wait for one to come back

    def to_the_end(self) -> None:
        """Send and settle until nothing waits or runs."""
        while self.waiting or self.ready or self.sent:
            self.send()
            with suppress(queue.Empty):
                self.settle(self.ended.get(timeout=SECONDS_BETWEEN_LOOKS))

    def send(self) -> None:
        """Give jobs that can start to free workers, and those of workers that went away to others."""
        workers = self._workers()
        for sent in list(self.sent.values()):
            if sent.worker not in workers:
                self._again(sent)
        self.has_gpus |= any(workers.values())
        busy = {sent.worker for sent in self.sent.values()}
        free = [worker for worker in sorted(workers, key=workers.__getitem__) if worker not in busy]  # GPUs last
        for job in list(self.ready) if free else []:
            wants_gpu = self.has_gpus and job.task.on_device
            least = self._least_memory(job)
            possible = (worker for worker in free if (workers[worker] or not wants_gpu) and self.memory[worker] > least)
            if (worker := next(possible, None)) is not None:
                free.remove(worker)
                self.ready.remove(job)
                self._submit(job, worker)
            if not free:
                break

    def settle(self, future: Future[Settled]) -> None:
        """Take in how a task ended."""
        sent = self.sent.get(str(future.key))
        if sent is None:
            return  # given to another worker since
        if future.status == "cancelled":
            raise UserError(GONE)
        try:
            found = future.result(timeout=SECONDS_TO_FETCH)
        except CancelledError as error:
            raise UserError(GONE) from error
        except TimeoutError:  # it went with its worker
            self._again(sent)
        except Exception as error:
            if not self._has_more_memory(sent, error):
                self._fail(sent, error)
        else:
            del self.sent[sent.job.dask_key]
            self.outcome.done[sent.job.task.key] = found
            self._release(sent.job.task.key)
            self.on_done(found)
            self.view.ended(sent.job.task.key, "restored" if found.restored else "done")

    def _release(self, key: str) -> None:
        """Make those ready for which this task was the last that they needed."""
        for after in self.behind.get(key, []):
            self.lacking[after] -= 1
            if after in self.waiting and not self.lacking[after]:
                self._make_ready([self.waiting[after]])

    def _make_ready(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.waiting.pop(job.task.key, None)
            insort(self.ready, job, key=self._urgency)

    def _urgency(self, job: Job) -> int:
        return -self.below[job.task.key]

    def _workers(self) -> dict[str, bool]:
        """By address: whether a worker that takes stages has a GPU; of thousands a look takes as long as a task."""
        if monotonic() - self.looked < SECONDS_BETWEEN_LOOKS and self.client.status != "closed":
            return self.workers
        self.looked = monotonic()
        if self.client.status == "closed" or not (scheduler := self.client.scheduler):
            raise UserError(GONE)
        # Not client.scheduler_info(), which a poll of Dask's own, without workers, may overwrite before it is read.
        with suppress(OSError):  # lost for a moment; for good, the client closes
            found = self.client.sync(scheduler.identity, n_workers=-1)["workers"].items()
            taking = {address: each for address, each in found if STAGE in each["resources"]}
            self.workers = {address: GPU in each["resources"] for address, each in taking.items()}
            self.memory = {address: each["memory_limit"] or inf for address, each in taking.items()}
        return self.workers

    def _submit(self, job: Job, worker: str) -> None:
        needed = [self.outcome.done[key] for key in job.task.needs]
        future = self.client.submit(
            run_stage,
            job,
            self.snapshots[job.commit],
            *needed,
            key=job.dask_key,
            workers=[worker],
            resources={STAGE: 1},  # other clients' stages wait
        )
        self.sent[job.dask_key] = _Sent(job, worker, future)
        future.add_done_callback(self.ended.put)

    def _has_more_memory(self, sent: _Sent, error: Exception) -> bool:
        """Whether a task that took more memory than its worker has gets a second try, on one that has more."""
        key = sent.job.task.key
        had = error.memory if isinstance(error, StageFailed) else 0
        if not had or key in self.lacked or not any(memory > had for memory in self.memory.values()):
            return False
        self.lacked[key] = had
        self._again(sent, f"{error.reason if isinstance(error, StageFailed) else error}; another has more")
        return True

    def _least_memory(self, job: Job) -> int:
        """What was too little for a task before, as long as a worker has more."""
        lacked = self.lacked.get(job.task.key, 0)
        return lacked if any(memory > lacked for memory in self.memory.values()) else 0

    def _again(self, sent: _Sent, why: str = "its worker went away") -> None:
        """Let a job wait again for another worker."""
        if sent.job.attempt == ATTEMPTS:
            self._fail(sent, StageFailed(sent.job.task.stage, f"{ATTEMPTS} workers went away while they ran it"))
            return
        del self.sent[sent.job.dask_key]
        self.view.again(sent.job.task.key, why)
        self.client.cancel([sent.future])
        self._make_ready([replace(sent.job, attempt=sent.job.attempt + 1)])

    def _fail(self, sent: _Sent, error: Exception) -> None:
        del self.sent[sent.job.dask_key]
        task = sent.job.task
        self.outcome.failed[task.key] = failure = _failure(task.stage, error)
        self.view.ended(task.key, "failed", failure.reason)
        lost = [task.key]
        for key in lost:  # which grows by what needs each
            for after in self.behind.get(key, []):
                if self.waiting.pop(after, None) is not None:
                    lost.append(after)
                    self.outcome.skipped.append(after)
                    self.view.ended(after, "skipped")


def _failure(stage: str, error: Exception) -> StageFailed:
    return error if isinstance(error, StageFailed) else StageFailed(stage, f"{type(error).__name__}: {error}")


def stop(client: Client, futures: Sequence[Future[Settled]]) -> None:
    """Cancel tasks, and wait until no worker runs any of them."""
    if client.status != "running" or not futures:
        return
    deadline = monotonic() + SECONDS_TO_STOP
    keys = [future.key for future in futures]
    with suppress(OSError):  # the scheduler is gone, and workers stop with it
        client.cancel(list(futures))
        while True in client.run(_running, keys, on_error="ignore").values() and monotonic() < deadline:
            sleep(0.1)


def _running(keys: Sequence[str], dask_worker: Worker | None = None) -> bool:
    """Runs on each worker; Dask passes it by that name."""
    assert dask_worker
    return any(key in dask_worker.active_threads.values() for key in keys)
