"""CPU seconds of a process that ends where its imports do: python -m benchmarks.stage_start.

Medians of some processes each, and of some forks of one process that has what most stages import.
"""

import argparse
import os
import statistics
import sys
import time

from benchmarks.page import ROOT
from benchmarks.timing import cpu_seconds

ROUNDS = 4
OFTEN = "import torch, h5py, pandas"
STAGE = "import runpy; runpy.run_path('stages/coupling.py')"
CONFIGURED = f"from sedlib.base.machine.hardware import configure; configure(); {STAGE}"
STARTS = {
    "Python alone": "pass",
    "`import torch`": "import torch",
    "torch, h5py and pandas": OFTEN,
    "all that `stages/coupling.py` imports": STAGE,
    "the same, and the choice of device, threads and products": CONFIGURED,
}
"""Programs by what they do."""
FORKED = "a fork of a process with torch, h5py and pandas"


def started(program: str) -> float:
    """CPU seconds of Python with this program."""
    return cpu_seconds(ROOT, sys.executable, "-c", program)


def forked(program: str = OFTEN) -> float:
    """CPU seconds of a fork that ends at once, of a process that ran the program, with those of its parent."""
    exec(program, {})
    before = time.process_time()
    child = os.fork()
    if not child:
        os._exit(0)
    _, _, usage = os.wait4(child, 0)
    return time.process_time() - before + usage.ru_utime + usage.ru_stime


def main(rounds: int) -> None:
    """Print the table."""
    print("| | CPU s |\n|---|---|")
    for name, program in STARTS.items():
        print(f"| {name} | {statistics.median(started(program) for _ in range(rounds)):.2f} |", flush=True)
    print(f"| {FORKED} | {statistics.median(forked() for _ in range(rounds)):.3f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    main(parser.parse_args().rounds)
