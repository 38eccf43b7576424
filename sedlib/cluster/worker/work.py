"""What a worker does with a task: a throw-away clone, a process in it, and an eye on both."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distributed import Status, Worker, get_worker

from sedlib.base.errors import UserError
from sedlib.cluster.plan.jobs import Job, Settled, StageFailed
from sedlib.cluster.run_cache import clear_unfinished
from sedlib.cluster.worker import child
from sedlib.cluster.worker.failed_folder import keep
from sedlib.cluster.worker.guard import guarded
from sedlib.cluster.worker.snapshot import clone, unpack
from sedlib.cluster.worker.usage import Usage
from sedlib.cluster.worker.workers import place, refuse_versions, sees, versions

SECONDS_BETWEEN_LOOKS = 0.2
CHARACTERS_OF_TAIL = 3000
PRINTED_BY_DVC = (
    *("Running stage", "> ", "Generating lock", "Updating lock", "Use `dvc push`"),
    *("To track", "To enable", "\tgit add", "\tdvc config"),
)
DASKS_OWN = {"MALLOC_TRIM_THRESHOLD_"}
"""What Dask sets for its workers. A stage that gives every freed block back to the system takes twice as long."""
WAITING = {"OMP_WAIT_POLICY": "passive"}
"""Holds where the worker's environment says nothing: threads that wait by spinning take the cores of other stages."""
THREADS = ("SEDLIB_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_stage(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
    """Run a stage in a throw-away clone; its results are in the cache afterwards.

    Raises
    ------
    StageFailed
        It ended with an error, took more memory than its worker may, or is not wanted any more; or this worker has
        other versions, or does not reach the cache.
    """
    worker = get_worker()
    worker.log_event(job.topic, {"key": job.task.key, "text": ""})
    try:
        refuse_versions(job.versions, {worker.address: versions()})
        folder = place(job, worker)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
            base = unpack(bundle, job.commit, folder)
            clone(base, Path(scratch, "clone"))
            wanted = _specification(job, [*job.task.inputs, *upstream], folder)
            Path(scratch, "stage.json").write_text(json.dumps(wanted))
            clear_unfinished(Path(wanted["config"]["cache"]["dir"]))  # of a worker that was killed with this stage
            return _in_clone(job, Path(scratch), worker)
    except (OSError, UserError) as error:
        raise StageFailed(job.task.stage, str(error)) from error


def _in_clone(job: Job, scratch: Path, worker: Worker) -> Settled:
    root, log = scratch / "clone", scratch / "log"
    command = [sys.executable, "-P", child.__file__, str(scratch / "stage.json")]
    environment = _environment(root, worker.state.nthreads)
    with (
        log.open("wb") as output,
        guarded(command, cwd=root / job.prefix, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        usage = Usage(process)
        problem, memory = _watch(usage, worker, job, log)
    text = log.read_text(errors="replace")
    if problem:
        kept = keep(job, root) if job.keep_failed else ""
        raise StageFailed(job.task.stage, problem, f"{text[-CHARACTERS_OF_TAIL:]}{kept}", memory)
    entry = json.loads((root / job.prefix / child.RESULT).read_text())
    if "Running stage '" not in text:
        return Settled(job.task.file, job.task.name, entry)
    return Settled(job.task.file, job.task.name, entry, False, usage.cost(worker.state.nthreads, job.versions))


def _specification(job: Job, inputs: list[Settled], folder: Path) -> dict[str, Any]:
    """What `child` reads."""
    cache = job.config["cache"] if sees(job.scratch) else {**job.config["cache"], "dir": str(folder / "cache")}
    return {
        "config": {**job.config, "cache": cache},
        "stage": {"address": job.task.stage, "file": job.task.file, "name": job.task.name},
        "inputs": [asdict(item) for item in inputs],
        "remote": job.remote,
    }


def _environment(root: Path, threads: int) -> dict[str, str]:
    """The worker's own, with its threads, and the clone's code instead of that of an editable installation."""
    return {
        **WAITING,
        **{name: value for name, value in os.environ.items() if name not in DASKS_OWN},
        **dict.fromkeys(THREADS, str(threads)),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(root),
        "DVC_SITE_CACHE_DIR": str(root.parent / "site"),
        "DVC_NO_ANALYTICS": "1",
    }


def _watch(usage: Usage, worker: Worker, job: Job, log: Path) -> tuple[str | None, int]:
    """Report what the process prints until it ends; what went wrong, if anything did, and the memory it lacked."""
    limit = worker.memory_manager.memory_limit
    shown = ""
    while True:
        with suppress(subprocess.TimeoutExpired):
            code = usage.process.wait(SECONDS_BETWEEN_LOOKS)
            return (f"exit code {code}" if code else None), 0
        if not _wanted(worker, job.dask_key):
            return "cancelled", 0
        used = usage.look()
        if limit and used > limit:
            had = f"{limit / 2**30:.2f}"
            return f"took {used / 2**30:.2f} GiB of memory; its worker may take {had}", limit
        if (line := _last_line(log)) != shown:
            worker.log_event(job.topic, {"key": job.task.key, "text": line})
            shown = line


def _wanted(worker: Worker, key: str) -> bool:
    """Whether the task is to go on: Dask cannot interrupt it, and only marks it as unwanted or closes the worker."""
    task = worker.state.tasks.get(key)
    closing = worker.status in (Status.closing, Status.closed, Status.failed)
    return task is not None and task.state == "executing" and not closing


def _last_line(log: Path) -> str:
    """Last line that the stage itself printed."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 500))
        lines = file.read().decode(errors="replace").strip().replace("\r", "\n").splitlines()
    own = [line for line in lines if line and not line.startswith(PRINTED_BY_DVC)]
    return own[-1] if own else ""
