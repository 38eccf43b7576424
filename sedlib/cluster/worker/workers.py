"""What is asked of workers before they get stages: equal versions, a place to work, one stage at a time."""

import os
import platform
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from distributed import Client, Worker, WorkerPlugin
from packaging.requirements import Requirement

from sedlib.base.errors import UserError
from sedlib.base.installed.extras import DISTRIBUTION
from sedlib.base.progress import say
from sedlib.cluster.plan.jobs import Job

STAGE, GPU = "STAGE", "GPU"
SECONDS_WITHOUT_A_WORD = 30.0


class OneStageAtATime(WorkerPlugin):
    """Gives a worker, whatever its threads, room for one stage, which then computes with all of them."""

    name = "sedlib"

    async def setup(self, worker: Worker) -> None:
        """Called by Dask on every worker, also on those that join later."""
        await worker.set_resources(**{STAGE: 1})


@cache
def versions() -> dict[str, str]:
    """Versions of Python, sedlib and what its pipeline on a cluster requires, in this process.

    Raises
    ------
    UserError
        Nothing says what sedlib requires.
    """
    try:
        wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    except metadata.PackageNotFoundError as error:
        raise UserError(
            f"sedlib is imported from a folder here, and its distribution {DISTRIBUTION} is not installed: run `make`"
        ) from error
    names = [DISTRIBUTION, *(item.name for item in wanted if item.name != DISTRIBUTION and _is_installed(item))]
    return {"Python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def _is_installed(wanted: Requirement) -> bool:
    """Whether a requirement belongs to the base install or to the extras of a worker."""
    return wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("pipeline", "cluster"))


def refuse_versions(expected: Mapping[str, str], workers: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse workers, by address, whose versions are not ``expected``: their results could differ.

    Raises
    ------
    UserError
        Each difference, with both versions.
    """
    differences = [
        f"  {worker} has {name} {found.get(name)}, here it is {version}"
        for worker, found in workers.items()
        for name, version in expected.items()
        if found.get(name) != version
    ]
    if differences:
        raise UserError(
            "workers must have the versions that are installed here, because another version may give other results:\n"
            + "\n".join(differences)
        )


def sees(scratch: str) -> bool:
    """Whether this process shares the file system that holds the client's scratch folder, and so the cache."""
    return Path(scratch).is_dir()


def place(job: Job, worker: Worker) -> Path:
    """Folder of this worker's throw-away clones: on the cache's file system, so that files can be linked.

    Raises
    ------
    UserError
        The job counts on a shared file system that this worker does not have.
    """
    if not sees(job.scratch) and not job.remote:
        raise UserError(
            f"worker {worker.address} does not see {job.scratch}: it joined workers that share a file system. Start it "
            "before `sedlib repro`, which then takes results through DVC's remote."
        )
    root = Path(job.scratch if sees(job.scratch) else worker.local_directory)
    return root / f"{socket.gethostname()}-{os.getpid()}"


def prepare(client: Client, scratch: str) -> bool:
    """Wait for a worker, check all there are, and give each room for one stage; whether a remote is needed.

    Raises
    ------
    UserError
        A worker has other versions, or no sedlib.
    """
    found = answers(client, versions)
    broken = {worker: error for worker, error in found.items() if isinstance(error, Exception)}
    if broken:
        listed = "\n".join(f"  {worker}: {error}" for worker, error in broken.items())
        raise UserError(f"these workers lack sedlib; install {DISTRIBUTION} on them:\n{listed}")
    refuse_versions(versions(), found)
    with suppress(OSError):  # from one that went away: its successor gets the plugin when it joins
        client.register_plugin(OneStageAtATime())
    return not all(answers(client, sees, scratch).values())


def answers(client: Client, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What ``function`` returns or raises, on every worker that lives to tell; there is one at least."""
    while True:
        _wait_for_one(client)
        found = client.run(function, *arguments, on_error="return")
        told = {worker: answer for worker, answer in found.items() if not isinstance(answer, OSError)}
        if told:
            return told


def _wait_for_one(client: Client) -> None:
    """Wait for a worker, and say so when none comes: a queue is long, or nobody started one."""
    while True:
        try:
            return client.wait_for_workers(1, timeout=SECONDS_WITHOUT_A_WORD)
        except TimeoutError:
            say(f"still waiting for a first worker; dashboard: {client.dashboard_link}")
