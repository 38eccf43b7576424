"""Training steps of add-42 whose threads wait for one another in several ways: python -m benchmarks.threads.

The ways take turns, each in a process of its own; start and first steps are not counted. OpenMP spins for milliseconds
unless it is told not to, which shows while other jobs keep the cores busy.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import torch

from benchmarks.cases import training_step
from benchmarks.page import ROOT
from sedlib.base.machine.onednn_products import onednn_products

ROUNDS, STEPS, WARM = 5, 100, 5
DEFAULT = "300000"
"""Turns of a loop that OpenMP waits by itself, where each thread has a core."""
WAYS: dict[str, tuple[int, dict[str, str]]] = {
    "two threads, as PyTorch alone starts them: they spin": (2, {"GOMP_SPINCOUNT": DEFAULT}),
    "two, `OMP_WAIT_POLICY=passive`": (2, {"OMP_WAIT_POLICY": "passive"}),
    "two, `GOMP_SPINCOUNT=1000`, as sedlib sets it": (2, {"GOMP_SPINCOUNT": "1000"}),
    "two, `GOMP_SPINCOUNT=10000`": (2, {"GOMP_SPINCOUNT": "10000"}),
    "one thread": (1, {}),
}
"""Threads and variables by what they mean."""


def steps(threads: int, count: int) -> None:
    """Print seconds and CPU seconds of some training steps of this process."""
    torch.set_num_threads(threads)
    step = training_step("add-42").ours
    with onednn_products():
        for _ in range(WARM):
            step()
        start, used = time.perf_counter(), time.process_time()
        for _ in range(count):
            step()
    print(time.perf_counter() - start, time.process_time() - used)


def timed(threads: int, variables: dict[str, str], count: int) -> tuple[float, float]:
    """Seconds and CPU seconds of the steps in a process with these variables."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-m", "benchmarks.threads", "--threads", str(threads), "--steps", str(count)]
    printed = subprocess.check_output(command, cwd=ROOT, env={**own, **variables}, text=True)
    seconds, used = map(float, printed.split())
    return seconds, used


def cell(values: list[float]) -> str:
    """The median with its extremes."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main(rounds: int, count: int) -> None:
    """Print the table."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, (threads, variables) in WAYS.items():
            found[way].append(timed(threads, variables, count))
    print("| | seconds | CPU seconds |\n|---|---|---|")
    for way, times in found.items():
        seconds, used = zip(*times, strict=True)
        print(f"| {way} | {cell(list(seconds))} | {cell(list(used))} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, help="time the steps of this process alone, on so many threads")
    given = parser.parse_args()
    steps(given.threads, given.steps) if given.threads else main(given.rounds, given.steps)
