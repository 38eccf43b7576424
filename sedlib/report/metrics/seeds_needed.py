"""How many seeds it would take until an interval decides on which side of a bound a mean lies."""

import math
from statistics import stdev

from scipy.stats import norm, t

from sedlib.report.numbers.seeds import FEWEST_SEEDS, Estimate

CONFIDENCE = 0.95
MOST = 1000
"""Beyond this many seeds nothing is said but that it takes more."""


def seeds_needed(mean: float, deviation: float, bound: float, confidence: float = CONFIDENCE) -> int | None:
    r"""Fewest seeds, at least three, for which Student's interval of the mean would not reach ``bound``.

    The smallest n with :math:`t_{n-1} s / \sqrt n < \lvert \bar x - b \rvert`, at the mean and the standard deviation
    seen. None where the mean lies on the bound, or more than 1,000 would be needed.

    Examples
    --------
    >>> seeds_needed(1.2, 0.1, bound=1.0)  # 3.18 * 0.1 / 2 = 0.16 < 0.2; with three seeds it is 0.25
    4
    """
    gap = abs(mean - bound)
    for n in range(FEWEST_SEEDS, MOST + 1):
        if t.ppf((1 + confidence) / 2, n - 1) * deviation / math.sqrt(n) < gap:
            return n
    return None


def deviation_of(estimate: Estimate) -> float | None:
    """Standard deviation over the seeds that an estimate is of; None where it has no interval.

    Of three seeds the bootstrap interval is the range, so that the mean gives the third value away; of more, the
    interval is about the normal one.

    Examples
    --------
    >>> deviation_of(Estimate(2.0, 1.0, 3.0, 3))  # of 1, 2 and 3
    1.0
    """
    if estimate.low is None or estimate.high is None:
        return None
    if estimate.n == FEWEST_SEEDS:
        return stdev([estimate.low, estimate.high, 3 * estimate.mean - estimate.low - estimate.high])
    return (estimate.high - estimate.low) / (2 * float(norm.ppf((1 + CONFIDENCE) / 2))) * math.sqrt(estimate.n)
