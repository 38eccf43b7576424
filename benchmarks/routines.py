"""Time the package's routines against the usual script, in pairs in one process, and print a table.

    python -m benchmarks.routines [--threads 1 2] [--only "training step" …] [--without PC1 …]

The ratio is ours over the plain one: median over pairs, with the extremes.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.case import Case
from benchmarks.cases import cases, temporary
from benchmarks.timing import Paired, paired
from sedlib.base.machine.onednn_products import onednn_products


def main(threads: list[int], only: list[str], without: list[str]) -> None:
    """Print the table."""
    columns = [f"{count} thread{'s' * (count > 1)}: plain, ms | ours, ms | ratio" for count in threads]
    print(f"| case | {' | '.join(columns)} |\n|---{'|---' * 3 * len(threads)}|")
    with temporary() as folder:
        for name, make in cases(Path(folder)):
            if not any(part in name for part in only) or any(part in name for part in without):
                continue
            cells = []
            for count in threads:
                torch.set_num_threads(count)
                cells += _measured(make()).cells()
            print(f"| {' | '.join([name, *cells])} |", flush=True)


def _measured(case: Case) -> Paired:
    other = _as_in_a_stage(case.other) if case.other_is_ours else case.other
    found = paired(other, _as_in_a_stage(case.ours), case.pairs, case.calls)
    return Paired([case.other_counts * value for value in found.other], found.ours)


def _as_in_a_stage(routine: Callable[[], object]) -> Callable[[], object]:
    """By oneDNN's products where a stage multiplies so."""

    def run() -> object:
        with onednn_products():
            return routine()

    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", default=[""], help="cases whose name contains one of these")
    parser.add_argument("--without", nargs="+", default=[], help="cases that are left out")
    main(**vars(parser.parse_args()))
