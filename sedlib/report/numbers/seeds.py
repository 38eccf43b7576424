"""Means over seeds with 95 % bootstrap intervals, and what may be said of two of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from sedlib.report.numbers.digits import number

FEWEST_SEEDS = 3
RESAMPLES = 9999


@dataclass(frozen=True)
class Estimate:
    """Mean over n seeds, with the interval where there are at least three."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{number(self.mean)} (n = {self.n})"
        return f"{number(self.mean)} [{number(self.low)}, {number(self.high)}] (n = {self.n})"


def estimate(values: Sequence[float | int]) -> Estimate:
    """Mean and 95 % percentile bootstrap interval of one number per seed; equal values in one order give equal ends.

    With three seeds the interval is the range of the values and covers less than 95 %: read it as a lower bound on the
    uncertainty.

    Raises
    ------
    ValueError
        There is no value, or one is not finite.
    """
    if not values or not np.isfinite(values).all():
        raise ValueError(f"an estimate needs finite values, at least one, got {list(values)}")
    mean = float(np.mean(values))
    if len(values) < FEWEST_SEEDS:
        return Estimate(mean, None, None, len(values))
    found = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high), len(values))


def comparison(first: Estimate, second: Estimate) -> str:
    """What may be said of two estimates: no more than their intervals carry."""
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return f"not settled: fewer than {FEWEST_SEEDS} seeds"
    if first.low > second.high:
        return "larger: the intervals do not overlap"
    if first.high < second.low:
        return "smaller: the intervals do not overlap"
    return "not settled: the intervals overlap"
