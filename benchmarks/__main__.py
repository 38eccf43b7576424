"""Time the package's routines against the usual script, in pairs, and print a table.

    python -m benchmarks [--threads 1 2] [--only "training step" …]

The ratio is ours over the plain one: median over pairs, with the extremes. The first lines say what the cores do on a
large matrix product, and which share of that a training step reaches.
"""

import argparse
import statistics
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.cases import Case, cases, temporary, training_step
from benchmarks.timing import Paired, milliseconds, paired

LARGE = 2048


def main(threads: list[int], only: list[str]) -> None:
    """Print the share reached and the table."""
    for count in threads:
        torch.set_num_threads(count)
        _print_share(count)
    columns = [f"{count} thread(s): plain, ms | ours, ms | ratio" for count in threads]
    print(f"\n| case | {' | '.join(columns)} |\n|---{'|---' * 3 * len(threads)}|")
    with temporary() as folder:
        for name, make in cases(Path(folder)):
            if not any(part in name for part in only):
                continue
            cells = []
            for count in threads:
                torch.set_num_threads(count)
                cells += _measured(make()).cells()
            print(f"| {' | '.join([name, *cells])} |", flush=True)


def _measured(case: Case) -> Paired:
    found = paired(case.other, case.ours, case.pairs, case.calls)
    return Paired([case.other_counts * value for value in found.other], found.ours)


def _print_share(threads: int) -> None:
    """Of the time of a training step, what its products would take at the speed of a large one."""
    first, second = torch.randn(2, LARGE, LARGE)
    rate = 2 * LARGE**3 / min(milliseconds(lambda: first @ second, 3) for _ in range(5)) / 1e6
    step = training_step("add-42").ours
    with FlopCounterMode(display=False) as counter:
        step()
    products = counter.get_total_flops()
    found = statistics.median(milliseconds(step, 20) for _ in range(9))
    print(
        f"{threads} thread(s): {rate:.0f} GFLOP/s on a product of {LARGE:,}; a step of add-42 multiplies for "
        f"{products / 1e9:.2f} GFLOP = {products / rate / 1e6:.1f} ms and takes {found:.1f} ms: "
        f"{products / rate / 1e6 / found:.0%} of the limit"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", default=[""], help="cases whose name contains one of these")
    main(**vars(parser.parse_args()))
