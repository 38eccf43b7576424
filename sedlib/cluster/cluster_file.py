"""The file of ``--cluster``: a batch system and the size of its jobs. Nothing in it can name code or a command.

Such files are shared, and what they start runs as the user. So classes and options are those listed here. What a site
needs besides, as a command before the worker or another Python, is for the user to say: ~/.config/dask/jobqueue.yaml.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from dask.utils import parse_bytes
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from sedlib.base.errors import UserError, quoted
from sedlib.base.yaml.yaml_file import read_mapping

LOCAL = "distributed:LocalCluster"
VALUE = r'[\w.:=,@%+*/\[\]"<>&|()!-]+'
LIKE_PBS = rf"-[lqAP] {VALUE}"
DIRECTIVES = {
    "dask_jobqueue:SLURMCluster": rf"--(account|clusters|constraint|cpus-per-gpu|exclude|exclusive|gpus|gpus-per-node"
    rf"|gpus-per-task|gres|licenses|mem-per-cpu|mem-per-gpu|nice|nodelist|qos|reservation|time-min)(={VALUE})?",
    "dask_jobqueue:PBSCluster": LIKE_PBS,
    "dask_jobqueue:MoabCluster": LIKE_PBS,
    "dask_jobqueue:SGECluster": rf"-([lqPR] {VALUE}|pe \w+ \d+)",
    "dask_jobqueue:LSFCluster": rf"-(R|q|P|G|gpu|m|x|app)( {VALUE})?",
    "dask_jobqueue:OARCluster": rf"-[lpqt] {VALUE}",
    "dask_jobqueue:HTCondorCluster": r"(?!)",
}
"""By class of a batch system: what a line of ``job_extra_directives`` may ask for, resources and queues. Others start
commands on some of these systems, as -E does for LSF and -S for PBS, or write where they like. A line is one option."""
WORKER_ARGUMENT = r"--resources|--lifetime|--lifetime-stagger|--lifetime-restart|[A-Z]+=\d+|\d+ ?[a-z]*"
"""What ``worker_extra_args`` may hold. Others, as --preload, import code."""

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:=,@%+/-]{0,199}$")]
Folder = Annotated[str, Field(pattern=r"^(\$[A-Z_]+|[~A-Za-z0-9_./])[A-Za-z0-9_./-]{0,499}$")]
"""A folder in a job's shell script: it may begin with a variable, and no part of it is a command."""
Count = Annotated[int, Field(ge=1, le=4096)]


def _size(text: str) -> str:
    parse_bytes(text)
    return text


Memory = Annotated[str, Field(pattern=r"^\d{1,6}(\.\d{1,3})? ?[kKMGT]i?B?$"), AfterValidator(_size)]


class Options(BaseModel):
    """Base of what a class takes: no others, and no other types."""

    model_config = ConfigDict(strict=True, extra="forbid")


class LocalOptions(Options):
    """Options of workers on this machine."""

    threads_per_worker: Count = 1
    memory_limit: Memory | None = None


class JobOptions(Options):
    """Options of a batch system's jobs; each system takes those that it has a use for."""

    cores: Count
    memory: Memory
    processes: Count | None = None
    queue: Word | None = None
    account: Word | None = None
    project: Word | None = None
    walltime: Word | None = None
    resource_spec: Word | None = None
    interface: Word | None = None
    job_cpu: Count | None = None
    job_mem: Memory | None = None
    ncpus: Count | None = None
    mem: Annotated[int, Field(ge=1, le=2**50)] | None = None
    disk: Memory | None = None
    memory_per_core_property_name: Word | None = None
    death_timeout: Annotated[int, Field(ge=1, le=10**6)] | None = None
    local_directory: Folder | None = None
    log_directory: Folder | None = None
    shared_temp_directory: Folder | None = None
    job_extra_directives: Annotated[list[str], Field(max_length=50)] | None = None
    worker_extra_args: Annotated[list[str], Field(max_length=50)] | None = None


class LocalFile(Options):
    """A file that asks for workers on this machine."""

    cluster: Literal["distributed:LocalCluster"]
    workers: Count
    options: LocalOptions = LocalOptions()


class JobsFile(Options):
    """A file that asks for jobs of a batch system."""

    cluster: str
    workers: Count
    options: JobOptions

    @model_validator(mode="after")
    def _lines_are_known(self) -> "JobsFile":
        allowed = {"job_extra_directives": DIRECTIVES[self.cluster], "worker_extra_args": WORKER_ARGUMENT}
        for name, pattern in allowed.items():
            for line in getattr(self.options, name) or []:
                if not re.fullmatch(pattern, line, re.ASCII):
                    raise ValueError(f"options.{name}: {quoted(line)} does not match {pattern} of {self.cluster}")
        return self


def cluster_file(path: Path) -> LocalFile | JobsFile:
    """The checked content of a file.

    Raises
    ------
    UserError
        It cannot be read, or describes no cluster that may be started; every refused value is named.
    """
    content = read_mapping(path)
    name = content.get("cluster")
    if name != LOCAL and name not in list(DIRECTIVES):
        listed = ", ".join([LOCAL, *DIRECTIVES])
        raise UserError(
            f"{path} must describe a Dask cluster with `cluster:`, `options:` for it and `workers:` to start "
            f"(docs/cluster.md); cluster must be one of {listed}, got {quoted(name)}"
        )
    try:
        return (LocalFile if name == LOCAL else JobsFile).model_validate(content)
    except ValidationError as error:
        listed = "\n".join(f"  {_named(problem)}"[:500] for problem in error.errors(include_url=False)[:20])
        raise UserError(f"{path} describes no {name} that may be started (docs/cluster.md):\n{listed}") from error


def _named(problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: no file may set this; if you need it, set it in ~/.config/dask/jobqueue.yaml"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{key}: {problem['msg']}, got {quoted(problem['input'])}"
