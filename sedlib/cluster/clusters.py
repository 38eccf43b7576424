"""A Dask client: of workers on this machine, of a running scheduler, or of a cluster that a file describes."""

import importlib
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Worker
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sedlib.base.errors import UserError

SELDOM = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "2s",
}
"""How often Dask looks at its own processes. As it comes, up to a hundred times a second, which takes 13 % of a core
for two workers that wait; a stage is a process of its own, of which nothing is seen there."""


@dataclass(frozen=True)
class Workers:
    """What the command line says; at most one is set, none means a worker per core."""

    count: int | None = None
    scheduler: str | None = None
    cluster: Path | None = None


class ClusterFile(BaseModel):
    """The file of ``--cluster``."""

    model_config = ConfigDict(extra="forbid")
    cluster: str = Field(pattern=r"^[\w.]+:\w+$")
    options: dict[str, Any] = {}
    workers: int = Field(ge=1)


@contextmanager
def connected(workers: Workers) -> Iterator[Client]:
    """A client; what was started for it is stopped on leaving.

    Raises
    ------
    UserError
        No scheduler answers, or the file does not describe a cluster.
    """
    if workers.scheduler:
        with _client(workers.scheduler) as client:
            yield client
    else:
        cluster = _described(workers.cluster) if workers.cluster else _local(workers.count or cores())
        with cluster, Client(cluster) as client:
            yield client


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _local(count: int, attempts: int = 3) -> LocalCluster:
    """One worker that is killed while it starts makes Dask give up all."""
    try:
        with dask.config.set(SELDOM):
            return LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
                preload=[__name__],
            )
    except RuntimeError as error:
        if attempts == 1:
            raise UserError(f"{count} workers cannot be started on this machine: {error}") from error
        return _local(count, attempts - 1)


def dask_setup(worker: Worker) -> None:
    """Called in each process of a local cluster: a terminal's Ctrl-C is for the client, which then stops them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _client(address: str) -> Client:
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}") from error


def _described(path: Path) -> Any:
    try:
        wanted = ClusterFile.model_validate(YAML(typ="safe").load(path.read_text()))
        module, name = wanted.cluster.split(":")
        cluster = getattr(importlib.import_module(module), name)(**wanted.options)
    except (OSError, YAMLError, ValidationError, ImportError, AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} must describe a Dask cluster with `cluster: module:Class`, `options:` for it and `workers:` to "
            f"start (docs/cluster.md): {error}"
        ) from error
    cluster.scale(wanted.workers)
    return cluster
