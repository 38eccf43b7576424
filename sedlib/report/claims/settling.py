"""How many seeds would settle a claim whose interval decides nothing, as it reaches over an edge of the range."""

import math
from collections.abc import Iterator

from sedlib.report.claims.claim import Claim, Compared
from sedlib.report.claims.verdicts import bounds
from sedlib.report.metrics.seeds_needed import MOST, deviation_of, seeds_needed


def settled_with(claim: Claim) -> str | None:
    """The most that one of its numbers needs; None where every interval decides, or none is known."""
    needed = [n for row in claim.rows for n in _needed(claim, row)]
    if not needed:
        return None
    return f"more than {MOST:,}" if None in needed else f"{max(n for n in needed if n is not None):,}"


def _needed(claim: Claim, row: Compared) -> Iterator[int | None]:
    deviation = deviation_of(row.here)
    if deviation is None or row.here.low is None or row.here.high is None:
        return
    for edge in _edges(claim, row):
        if row.here.low < edge < row.here.high:
            yield seeds_needed(row.here.mean, deviation, edge)


def _edges(claim: Claim, row: Compared) -> Iterator[float]:
    """Ends of the range that the number is compared with."""
    if row.paper is not None:
        yield from filter(math.isfinite, bounds(row.paper))
    elif claim.implied is not None:
        yield from filter(math.isfinite, (claim.implied.low, claim.implied.high))
