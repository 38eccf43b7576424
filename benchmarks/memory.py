"""Seconds and peak memory of the library's routines on vectors of 1e6, 1e7 and 1e8 parameters.

    python -m benchmarks.memory [--sizes 1000000 10000000 100000000] [--only directions …]

Each measurement is a process of its own, one after another, on one thread. Memory is the peak beyond what the process
held when its inputs were there and beyond the result, in MB and in vectors of N float32 numbers. Rows of a stream are
in an HDF5 file in a temporary folder, all else is in memory. A routine is called once on short vectors before, for
what libraries load on first use.
"""

import argparse
import ctypes
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.memory_cases import CASES, LARGEST
from benchmarks.timing import number

SHORT = 1_000


def megabytes(field: str) -> float:
    """A figure that the kernel has of this process: ``VmRSS``, what it holds, or ``VmHWM``, the most that it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def tensors(found: object) -> Iterator[torch.Tensor | np.ndarray]:
    """What a result is made of."""
    if isinstance(found, torch.Tensor | np.ndarray):
        yield found
    for part in vars(found).values() if hasattr(found, "__dict__") else ():
        yield from tensors(part)


def measure(name: str, size: int) -> tuple[float, float]:
    """Seconds, and MB beyond inputs and result."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="sedlib-memory-") as folder:
        CASES[name](SHORT, Path(folder))()
        call = CASES[name](size, Path(folder))
        ctypes.CDLL(None).malloc_trim(0)  # what was freed is given back, and so counted when it is taken again
        Path("/proc/self/clear_refs").write_text("5")  # the most so far is from now on
        before, start = megabytes("VmRSS"), time.perf_counter()
        found = call()
        seconds, peak = time.perf_counter() - start, megabytes("VmHWM")
    result = sum(part.nbytes for part in tensors(found)) / 2**20
    return seconds, peak - before - result


def main(sizes: list[int], only: list[str]) -> None:
    """Print the table."""
    print("| routine | " + " | ".join(f"N = {size:,}: s | MB | vectors" for size in sizes) + " |")
    print("|---" * (1 + 3 * len(sizes)) + "|")
    processes = multiprocessing.get_context("spawn")
    for name in CASES:
        if not any(part in name for part in only):
            continue
        cells = []
        for size in sizes:
            if size > LARGEST.get(name, size):
                cells += ["–", "–", "–"]
                continue
            with processes.Pool(1) as pool:
                seconds, memory = pool.apply(measure, (name, size))
            cells += [number(seconds), f"{memory:,.0f}", f"{memory * 2**20 / (4 * size):.1f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**6, 10**7, 10**8])
    parser.add_argument("--only", nargs="+", default=[""], help="routines whose name contains one of these")
    main(**vars(parser.parse_args()))
