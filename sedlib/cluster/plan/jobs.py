"""What travels between the client and the workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What a stage took where it ran."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int  # resident, of the stage and all that it started
    threads: int
    processor: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Settled:
    """A stage whose outputs are in the cache, with its entry of dvc.lock."""

    file: str  # dvc.yaml or a .dvc file, relative to the repository's root
    name: str | None
    entry: dict[str, Any] | None  # None: the .dvc file says it
    restored: bool = True  # from the run-cache, rather than computed
    cost: Cost | None = None  # where it was computed

    @property
    def where(self) -> tuple[str, str | None]:
        """The arguments of DVC's ``load_one``."""
        return self.file, self.name


@dataclass(frozen=True)
class Task:
    """A stale stage. Equal keys: equal command, parameters and inputs, in this workspace or in another."""

    stage: str  # as DVC addresses it
    file: str
    name: str
    key: str
    needs: tuple[str, ...] = ()  # keys of the tasks whose outputs it reads
    inputs: tuple[Settled, ...] = ()  # settled stages whose outputs it reads
    on_device: bool = False  # computes where SEDLIB_DEVICE says


@dataclass(frozen=True)
class Job:
    """A task with all that a worker must know to run it."""

    task: Task
    commit: str  # of the snapshot
    prefix: str  # DVC's root in the git repository
    config: dict[str, Any]  # of DVC, for the throw-away clone
    scratch: str  # a folder beside the cache, for workers that see it
    remote: bool  # results travel through DVC's remote, because not every worker sees the scratch folder
    versions: dict[str, str]
    attempt: int = 1
    keep_failed: bool = False  # its folder, if it fails

    @property
    def topic(self) -> str:
        """Dask's topic, under which a worker reports on the job."""
        return f"sedlib-{Path(self.scratch).name}"

    @property
    def dask_key(self) -> str:
        """Dask's key of the job: another client of the same scheduler has its own, and so has another attempt."""
        return f"{self.task.key}-{Path(self.scratch).name}-{self.attempt}"


class StageFailed(Exception):  # noqa: N818
    """A stage ended with an error.

    Attributes
    ----------
    tail
        The end of what it printed.
    memory
        Bytes that its worker had, if it took more than these; else 0.
    """

    def __init__(self, stage: str, reason: str, tail: str = "", memory: int = 0) -> None:
        super().__init__(stage, reason, tail, memory)
        self.stage, self.reason, self.tail, self.memory = stage, reason, tail, memory

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"
