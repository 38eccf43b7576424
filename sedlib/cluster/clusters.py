"""A Dask client: of workers on this machine, of a running scheduler, or of a cluster that a file describes."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Security, Worker
from distributed.comm.addressing import parse_address, parse_host_port

from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.cluster.cluster_file import JobsFile, LocalFile, LocalOptions, cluster_file
from sedlib.cluster.jobs_cluster import jobs_cluster

SELDOM = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "2s",
}
"""How often Dask looks at its own processes. By default it looks up to a hundred times a second, which takes 13 % of a
core for two workers that wait. It would see nothing of a stage, which is a process of its own."""

LOOPBACK = "127.0.0.1"
DASHBOARD_ADDRESS = f"{LOOPBACK}:0"
DASHBOARD = {
    "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin": [],
    "distributed.dashboard.link": "{scheme}://localhost:{port}/status",
}
"""No page but the dashboard itself may ask it for values: an empty list stands for localhost and its port."""


@dataclass(frozen=True)
class Workers:
    """What the command line says; at most one is set, none means a worker per core."""

    count: int | None = None
    scheduler: str | None = None
    cluster: Path | None = None


@contextmanager
def connected(workers: Workers, scratch: Path) -> Iterator[Client]:
    """A client; what was started for it is stopped on leaving.

    Who can send a task runs code as the user. So what is started here takes tasks only over TLS, with keys that are
    made for it and end with it, and its dashboard, which anybody may look at, listens on this machine alone.

    Parameters
    ----------
    scratch
        A folder that only the user can enter.

    Raises
    ------
    UserError
        No scheduler answers, others could send tasks to it, or the file does not describe a cluster.
    """
    with dask.config.set(DASHBOARD):
        if workers.scheduler:
            with _client(workers.scheduler) as client:
                yield client
        else:
            asked = cluster_file(workers.cluster) if workers.cluster else None
            with _started(asked, workers.count or cores(), scratch) as cluster, Client(cluster) as client:
                yield client


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _started(asked: LocalFile | JobsFile | None, count: int, scratch: Path) -> AbstractContextManager[Any]:
    if isinstance(asked, JobsFile):
        return jobs_cluster(asked, scratch, DASHBOARD_ADDRESS)
    return _local(asked.workers, asked.options, scratch) if asked else _local(count, LocalOptions(), scratch)


def _local(count: int, options: LocalOptions, scratch: Path, attempts: int = 3) -> LocalCluster:
    """Workers here, tried again: one that is killed while it starts makes Dask give up all."""
    try:
        with dask.config.set(SELDOM):
            return LocalCluster(
                n_workers=count,
                processes=True,
                host=LOOPBACK,
                security=Security.temporary(),
                local_directory=str(scratch),
                dashboard_address=DASHBOARD_ADDRESS,
                silence_logs=logging.CRITICAL,
                preload=[__name__],
                **options.model_dump(exclude_none=True),
            )
    except RuntimeError as error:
        if attempts == 1:
            raise UserError(f"{count} workers cannot be started on this machine: {error}") from error
        return _local(count, options, scratch, attempts - 1)


def dask_setup(worker: Worker) -> None:
    """Called in each process of a local cluster: a terminal's Ctrl-C is for the client, which then stops them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _client(address: str) -> Client:
    """The client of a scheduler that somebody started.

    Raises
    ------
    UserError
        It does not answer, or takes tasks from anybody on the network.
    """
    try:
        protocol, place = parse_address(address)
        here = parse_host_port(place)[0] in (LOOPBACK, "localhost", "::1")
    except ValueError as error:
        raise UserError(f"{address} is no address of a Dask scheduler such as tls://host:8786: {error}") from error
    if protocol != "tls" and not here:
        raise UserError(
            f"{address} takes tasks, which are code, from anybody on the network; start scheduler and workers with TLS "
            "(docs/cluster.md) and give tls://…"
        )
    if protocol != "tls":
        say(f"{address} takes tasks from every user of this machine; with others on it, use TLS (docs/cluster.md)")
    try:
        return Client(address)
    except TypeError as error:  # Dask's word for keys that its configuration does not name
        raise UserError(
            f"{address} needs the keys that docs/cluster.md makes, named in the environment: {error}"
        ) from error
    except AssertionError as error:  # Dask's word when its own thread has not started within ten seconds
        raise UserError(f"{address} was not asked: this machine is too busy to start a thread; try again") from error
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}") from error
