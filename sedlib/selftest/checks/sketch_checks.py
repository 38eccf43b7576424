"""Sketches entry by entry, their errors by heart, and the directions that they give beside a dense SVD."""

import numpy as np
import torch

import sedlib.sketches.sketch as sketch
import sedlib.sketches.sketch_precision as sketch_precision
import sedlib.sketches.streamed as streamed
from sedlib.base.randomness import generator
from sedlib.bases import RollingBases, rolling_bases
from sedlib.products import gram_band
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import dense_svd_basis, signed
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import FLOAT64, ROUNDED, SINGLE

STEPS, SIZE, WINDOW, RANK, BUCKETS = 8, 20_000, 6, 3, 300
SIZES = torch.tensor([[4.0, 3.0, 1.0, 0.5]], dtype=torch.float64)


def entry_by_entry(row: np.ndarray, buckets: int, seed: int) -> np.ndarray:
    """The sketch of a row: of each chunk's random words the first gives the shift, the bits of the others the signs."""
    words = 4 * -(-(1 + -(-buckets // 64)) // 4)
    random = np.random.Philox(key=generator(seed, "count sketch").initial_seed())
    total = np.zeros(buckets)
    for start in range(0, len(row), buckets):
        shift, *bits = map(int, random.random_raw(words))
        for place, value in enumerate(row[start : start + buckets]):
            sign = 1 - 2 * (bits[place // 64] >> place % 64 & 1)
            total[(place + shift) % buckets] += sign * value
    return total


@check("sketch.CountSketch", FLOAT64)
def count_sketch(setting: Setting) -> Pair:
    """A row whose last chunk is not full."""
    row = setting.normal(SIZE)
    return (
        lambda: sketch.CountSketch(BUCKETS, seed=3)(setting.on(row)),
        lambda: entry_by_entry(row.numpy(), BUCKETS, 3),
    )


@check("sketch_precision.sketch_errors", ROUNDED)
def sketch_errors(_: Setting) -> Pair:
    """Of a window whose errors can be told by heart."""

    def expected() -> list[float | np.ndarray]:
        ratios = np.log([3, 2])  # the two largest of 4/3, 3 and 2
        turned = [9 / 7, 1 / 15, 0.25 / 15.75]
        return [
            np.sqrt(1 / 200),
            0.1,
            np.array([np.sqrt(2 * 82 / 100)]),
            np.array([(ratios[0] - ratios[1]) / np.sqrt(0.03)]),
            np.array([np.linalg.norm(turned) / 10]),
        ]

    return lambda: sketch_precision.sketch_errors(SIZES, 100, 1), expected


@check("sketch_precision.buckets_for", ROUNDED)
def buckets_for(_: Setting) -> Pair:
    """A window whose errors can be told by heart, with two directions kept."""
    worst = (1 / 15) ** 2 + (0.25 / 15.75) ** 2
    return lambda: sketch_precision.buckets_for(0.1, SIZES, 1, kept=2), lambda: max(100, np.ceil(worst * 100))


def _dense(rows: torch.Tensor) -> list[np.ndarray]:
    right, sizes = dense_svd_basis(rows.numpy(), WINDOW, WINDOW, RANK)
    return [signed(right), sizes[:RANK]]


@check("streamed.streamed_directions", SINGLE)
def streamed_directions(setting: Setting) -> Pair:
    """The right singular vectors of a dense SVD."""
    rows = setting.stream(STEPS, SIZE)
    on = setting.on(rows)

    def found() -> np.ndarray:
        bases = rolling_bases(gram_band(on, WINDOW, setting.device).cpu(), WINDOW, RANK)
        return signed(streamed.streamed_directions(on[1 : WINDOW + 1], bases, 1))

    return found, lambda: _dense(rows)[0]


@check("streamed.sketched_directions", SINGLE)
def sketched_directions(setting: Setting) -> Pair:
    """Right singular vectors and singular values of a dense SVD: exact, as all of the window's directions are kept."""
    rows = setting.stream(STEPS, SIZE)
    on, mapped = setting.on(rows), sketch.CountSketch(BUCKETS)

    def found() -> list[np.ndarray | torch.Tensor]:
        sketches = mapped(on)
        bases: RollingBases = rolling_bases(gram_band(sketches, WINDOW, setting.device).cpu(), WINDOW, WINDOW)
        directions, sizes = streamed.sketched_directions(on[1 : WINDOW + 1], mapped, sketches, bases, 1, RANK)
        return [signed(directions), sizes]

    return found, lambda: _dense(rows)
