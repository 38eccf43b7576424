"""A Dask scheduler and workers that are not the client's: processes of their own, as on a cluster."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.clone import Clone
from tests.toy import until

SECONDS_TO_STOP = 20.0


@dataclass
class Cluster:
    """Both kinds of processes; a worker's has a nanny above it, which starts it again."""

    scheduler: subprocess.Popen[bytes]
    nannies: list[subprocess.Popen[bytes]]
    address: str


@contextmanager
def cluster(
    clone: Clone,
    folder: Path,
    workers: int = 2,
    wrapped: Sequence[str] = (),
    options: Sequence[str] = (),
    protocol: str = "tcp",
    **variables: str,
) -> Iterator[Cluster]:
    """Workers with one thread each that start in ``folder``; ``wrapped`` is a command in front of theirs."""
    folder.mkdir()
    file = folder / "scheduler.json"
    environment = clone.environment(**variables)
    quiet = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        "dask",
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--protocol",
        protocol,
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    ]
    scheduler = subprocess.Popen(started, **quiet)  # type: ignore[call-overload]
    until(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler writes its file")
    worker = ["dask", "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard"]
    placed = ["--local-directory", str(folder), *options]
    nannies = [subprocess.Popen([*wrapped, *worker, *placed], **quiet) for _ in range(workers)]  # type: ignore[call-overload]
    try:
        yield Cluster(scheduler, nannies, json.loads(file.read_text())["address"])
    finally:
        for process in [*nannies, scheduler]:
            process.terminate()
        for process in [*nannies, scheduler]:
            _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for it. A nanny whose scheduler was killed while its worker started waits for that forever."""
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()  # its worker ends with it
        process.wait()


def worker_above(pid: int) -> int:
    """Process id of the worker that started, directly or not, the process ``pid``."""
    parents = psutil.Process(pid).parents()
    return next(parent.pid for parent in parents if "--multiprocessing-fork" in parent.cmdline())
