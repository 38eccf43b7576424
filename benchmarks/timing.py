"""Paired timings: two routines in turn, and the ratio of each pair. And the CPU time of a command."""

import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LINES_SHOWN = 30
"""Of what a command that failed has printed."""


@dataclass(frozen=True)
class Paired:
    """Milliseconds of both routines and their ratios, ours over the other."""

    other: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        """One of each pair, ascending."""
        return sorted(mine / theirs for mine, theirs in zip(self.ours, self.other, strict=True))

    def cells(self) -> list[str]:
        """Of a Markdown table: medians of both, and that of the ratio with its extremes."""
        ratio = f"{statistics.median(self.ratios):.2f} ({self.ratios[0]:.2f} to {self.ratios[-1]:.2f})"
        return [number(statistics.median(self.other)), number(statistics.median(self.ours)), ratio]


def paired(other: Callable[[], object], ours: Callable[[], object], pairs: int, calls: int = 1) -> Paired:
    """Time ``calls`` of each in turn, ``pairs`` times, after one of each that is not counted."""
    milliseconds(other, 1)
    milliseconds(ours, 1)
    found = [(milliseconds(other, calls), milliseconds(ours, calls)) for _ in range(pairs)]
    return Paired([first for first, _ in found], [second for _, second in found])


def milliseconds(routine: Callable[[], object], calls: int) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        routine()
    return 1000 * (time.perf_counter() - start) / calls


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cpu_seconds(folder: Path, *command: str, **variables: str) -> float:
    """User and system time of a command in a clone of this repository and of all that it starts.

    Raises
    ------
    SystemExit
        The command failed; the message ends with the last that it printed.
    """
    own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as printed:
        ran = subprocess.run(command, cwd=folder, env={**os.environ, **own, **variables}, check=False, stdout=printed)
        if ran.returncode:
            printed.seek(0)
            last = "".join(deque(printed, LINES_SHOWN))
            raise SystemExit(f"error: {shlex.join(command)} ended with {ran.returncode}, after printing\n{last}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
