"""What a process takes while it runs: time, processor time, memory."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

import psutil

from sedlib.base.machine.processor import processor
from sedlib.cluster.plan.jobs import Cost


class Usage:
    """What a process and all that it started took, up to the last look."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.start = time.monotonic()
        self.peak, self.cpu = 0, 0.0

    def look(self) -> int:
        """Resident bytes now."""
        found = list(self._members())
        self.peak = max(self.peak, memory := sum(bytes_ for bytes_, _ in found))
        self.cpu = max(self.cpu, sum(seconds for _, seconds in found))
        return memory

    def cost(self, threads: int, versions: Mapping[str, str]) -> Cost:
        """From the start until now."""
        return Cost(time.monotonic() - self.start, self.cpu, self.peak, threads, processor(), dict(versions))

    def _members(self) -> Iterator[tuple[int, float]]:
        """Bytes and processor seconds of each process that lives, with those of the ended ones that it waited for."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            for member in [parent, *parent.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    times = member.cpu_times()
                    yield member.memory_info().rss, float(sum(times[:4]))
