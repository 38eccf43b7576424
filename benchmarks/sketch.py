"""What a sketch costs, and what sketches and rows in 16 bits do to singular values, gaps and bases of a real run.

    python -m benchmarks.sketch time
    python -m benchmarks.sketch gaps artifacts/gradients/add-42.h5
    python -m benchmarks.sketch sines artifacts/gradients/add-42.h5

Each time is CPU time of one thread, in a process of its own; memory is its peak beyond the row. Errors are relative to
the exact bases of all windows, beside what first order expects of a sketch.
"""

import argparse
import multiprocessing
import time

import h5py
import torch
from torch import Tensor

from benchmarks.fisher import peak_megabytes
from sedlib.bases import RollingBases, directions, rolling_bases
from sedlib.products import gram_band
from sedlib.readings import spectral_gaps
from sedlib.sketches.sketch import CountSketch
from sedlib.sketches.sketch_precision import sketch_errors
from sedlib.sketches.streamed import sketched_directions

SIZES, BUCKETS = (10**6, 10**7, 10**8), (1_000, 10_000, 100_000)
STREAMS, WINDOW, RANK = ("gradient/add", "update"), 20, 3
KEPT, EVERY = (3, 6, 10), 5
"""Vectors from which three directions are taken; windows whose directions are compared."""
HALVES = (torch.bfloat16, torch.float16)
GAPS = ("σ₁", "σ₂", "σ₃", "σ₂/σ₃", "g₂₃")


def measure(size: int, buckets: int) -> tuple[float, float]:
    """CPU seconds of one row's sketch, and MB."""
    torch.set_num_threads(1)
    row, sketch = torch.randn(size, generator=torch.Generator().manual_seed(0)), CountSketch(buckets)
    sketch(row[:1000])  # what is loaded on first use
    before, seconds = peak_megabytes(), []
    for _ in range(3):
        start = time.process_time()
        sketch(row)
        seconds.append(time.process_time() - start)
    return min(seconds), peak_megabytes() - before


def print_times() -> None:
    """A line per number of parameters."""
    print("| N | " + " | ".join(f"m = {buckets:,}: s | MB" for buckets in BUCKETS) + " |")
    print("|---" * (1 + 2 * len(BUCKETS)) + "|")
    processes = multiprocessing.get_context("spawn")
    for size in SIZES:
        cells = []
        for buckets in BUCKETS:
            with processes.Pool(1) as pool:
                seconds, megabytes = pool.apply(measure, (size, buckets))
            cells += [f"{seconds:.3g}", f"{megabytes:,.0f}"]
        print(f"| {size:,} | {' | '.join(cells)} |", flush=True)


def print_gaps(name: str, rows: Tensor, exact: RollingBases) -> None:
    """Root mean squares of relative errors over a stream's windows, and how often k* is the exact one."""
    columns = ["rows as", *GAPS, "k* kept", "expected: σ", "ratio"]
    print(f"\nOf `{name}`, {len(exact.window_end)} windows:\n\n| {' | '.join(columns)} |")
    print("|---" * (4 + len(GAPS)) + "|")
    sketches = {f"sketch, m = {buckets:,}": CountSketch(buckets)(rows) for buckets in BUCKETS}
    for title, approximate in {**sketches, **{str(dtype)[6:]: rows.to(dtype) for dtype in HALVES}}.items():
        found = rolling_bases(gram_band(approximate, WINDOW), WINDOW, RANK)
        (gaps, sizes), (true, exact_sizes) = (
            (spectral_gaps(bases.singular_values), bases.singular_values[:, :RANK].T) for bases in (found, exact)
        )
        shares = [*(sizes / exact_sizes), gaps.ratio23 / true.ratio23, gaps.g23 / true.g23]
        cells = [f"{(share - 1).square().mean().sqrt():.1e}" for share in shares]
        cells.append(f"{(gaps.k_star == true.k_star).double().mean():.0%}")
        if title in sketches:
            expected = sketch_errors(exact.singular_values, approximate.shape[1], RANK)
            cells += [f"{expected.singular_value:.1e}", f"{expected.ratio:.1e}"]
        print(f"| {' | '.join([title, *cells])} |", flush=True)


def print_sines(name: str, rows: Tensor, exact: RollingBases) -> None:
    """Sines of the largest angle to the exact basis, over a stream's windows."""
    ratio = (exact.singular_values[:, RANK - 1] / exact.singular_values[:, RANK]).median()
    print(f"\nOf `{name}`, whose σ₃/σ₄ is {ratio:.2f} in the median:\n")
    print("| rows as | vectors in memory | sine: median | largest | expected |\n|---|---|---|---|---|")
    indices = range(0, len(exact.window_end), EVERY)
    true = [directions(rows, exact, index) for index in indices]
    for buckets in BUCKETS:
        sketch = CountSketch(buckets)
        sketches = sketch(rows)
        for kept in KEPT:
            bases = rolling_bases(gram_band(sketches, WINDOW), WINDOW, kept)
            found = [
                sketched_directions(rows[index : index + WINDOW], sketch, sketches, bases, index, RANK)[0]
                for index in indices
            ]
            expected = sketch_errors(exact.singular_values, buckets, RANK, kept).subspace.median()
            print(f"| sketch, m = {buckets:,} | {kept} | {sines(found, true)} | {expected:.1e} |", flush=True)
    for dtype in HALVES:
        rounded = rows.to(dtype).float()
        bases = rolling_bases(gram_band(rounded, WINDOW), WINDOW, RANK, dtype)
        found = [directions(rounded, bases, index) for index in indices]
        print(f"| {str(dtype)[6:]} | | {sines(found, true)} | bound {bases.error_bound.median():.1e} |", flush=True)


def sines(found: list[Tensor], true: list[Tensor]) -> str:
    """Median and largest; not from cosines, which lose small angles."""
    rests = [v - (v @ u.T) @ u for v, u in zip(map(Tensor.double, found), map(Tensor.double, true), strict=True)]
    largest = torch.stack([torch.linalg.svdvals(rest)[0] for rest in rests])
    return f"{largest.median():.1e} | {largest.max():.1e}"


PRINTED = {"gaps": print_gaps, "sines": print_sines}


def print_errors(what: str, path: str) -> None:
    """A table per stream."""
    for name in STREAMS:
        with h5py.File(path) as file:
            rows = torch.from_numpy(file[name][:])
        PRINTED[what](name, rows, rolling_bases(gram_band(rows, WINDOW), WINDOW, RANK))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["time", *PRINTED])
    parser.add_argument("path", nargs="?", help="a file of gradients, for gaps and sines")
    chosen = parser.parse_args()
    print_times() if chosen.what == "time" else print_errors(chosen.what, chosen.path)
