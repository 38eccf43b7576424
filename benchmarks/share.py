"""How far routines are from what a core can multiply: their products at the speed of a large one, and their time.

    python -m benchmarks.share

One thread, CPU time. MKL, by which PyTorch multiplies, uses AVX2 on a processor that is not Intel's; by oneDNN the same
products use AVX-512, where the processor has it.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.case import Case
from benchmarks.cases import coupling, evaluation, training_step
from benchmarks.timing import number
from sedlib.base.machine.onednn_products import onednn_products

LARGE, TIMES = 2048, 7
ROUTINES: dict[str, tuple[Callable[[], Case], int]] = {
    "training step, add-42": (partial(training_step, "add-42"), 10),
    "training step, multitask-42": (partial(training_step, "multitask-42"), 10),
    "evaluation, add-42": (partial(evaluation, "add-42"), 1),
    "response of 1,024 probes": (coupling, 2),
}
"""Each with the number of calls that are timed at once."""
LIBRARIES: dict[str, Callable[[], AbstractContextManager[None]]] = {"MKL": nullcontext, "oneDNN": onednn_products}


def speed() -> float:
    """GFLOP/s on a large product, the best of some."""
    first, second = torch.randn(2, LARGE, LARGE)
    return 2 * LARGE**3 / min(milliseconds(lambda: first @ second, 1) for _ in range(5)) / 1e6


def milliseconds(routine: Callable[[], object], calls: int) -> float:
    """CPU time of one call: other jobs on the machine change it little."""
    start = time.process_time()
    for _ in range(calls):
        routine()
    return 1000 * (time.process_time() - start) / calls


def products(routine: Callable[[], object]) -> float:
    """GFLOP of all matrix products of a call."""
    with FlopCounterMode(display=False) as counter:
        routine()
    return counter.get_total_flops() / 1e9


def rows(speeds: dict[str, float]) -> Iterator[str]:
    """A line of the table for each routine; the libraries take turns."""
    for name, (make, calls) in ROUTINES.items():
        case = make()
        gigaflops = products(case.ours)
        times: dict[str, list[float]] = {library: [] for library in ["plain", *LIBRARIES]}
        for _ in range(TIMES):
            times["plain"].append(milliseconds(case.other, calls))
            for library, chosen in LIBRARIES.items():
                with chosen():
                    times[library].append(milliseconds(case.ours, calls))
        taken = {library: statistics.median(found) for library, found in times.items()}
        cells = [name, f"{gigaflops:.2f}", number(taken["plain"])]
        for library, rate in speeds.items():
            limit = 1000 * gigaflops / rate
            cells += [number(limit), number(taken[library]), f"{limit / taken[library]:.0%}"]
            cells.append(f"{taken[library] / taken['plain']:.2f}")
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Print what the core reaches, and the table."""
    torch.set_num_threads(1)
    speeds = {}
    for library, chosen in LIBRARIES.items():
        with chosen():
            speeds[library] = speed()
    reached = " and ".join(f"{rate:.0f} GFLOP/s by {library}" for library, rate in speeds.items())
    print(f"A core reached {reached} on a product of {LARGE:,}.\n")
    columns = [f"{library}: products alone, ms | taken, ms | share | over plain" for library in speeds]
    print(f"| | products, GFLOP | plain, ms | {' | '.join(columns)} |\n|---|---|---{'|---' * 4 * len(speeds)}|")
    for row in rows(speeds):
        print(row, flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
