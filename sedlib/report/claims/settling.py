"""How many seeds would settle a claim whose interval decides nothing, as it reaches over an edge of the range."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sedlib.report.claims.claim import Claim, Compared
from sedlib.report.claims.definitions import TEXT
from sedlib.report.claims.verdicts import NEW, NOT_RUN, bounds
from sedlib.report.metrics.seeds_needed import MOST, deviation_of, seeds_needed
from sedlib.report.numbers.seeds import Estimate

TOO_FEW = {1: "unknown: one seed", 2: "unknown: two seeds"}
"""What is said of so few seeds, which show no spread."""


def settled_with(claim: Claim) -> str | None:
    """The most that one of its numbers needs; None where every interval decides, or nothing is compared."""
    if claim.verdict in (NEW, NOT_RUN):
        return None
    fewest = min((row.here.n for row in claim.rows), default=1)
    if fewest in TOO_FEW:
        return TOO_FEW[fewest]
    return seeds_that_decide(_compared(claim))


def seeds_that_decide(compared: Iterable[tuple[Estimate, float]]) -> str | None:
    """The most that one of the estimates needs, until its interval lies on one side of its edge; None where all do."""
    needed = [n for here, edge in compared for n in _needed(here, edge)]
    if not needed:
        return None
    return f"more than {MOST:,}" if None in needed else f"{max(n for n in needed if n is not None):,}"


def settled_by_definition(claim: Claim) -> dict[str, str]:
    """The same under each definition of the claim, without those that need no more seeds."""
    others = (
        (one.definition, replace(claim, verdict=one.verdict, rows=one.rows, contrast=one.contrast))
        for one in claim.others
    )
    needed = {definition: settled_with(judged) for definition, judged in ((TEXT, claim), *others)}
    return {definition: said for definition, said in needed.items() if said}


def _compared(claim: Claim) -> Iterator[tuple[Estimate, float]]:
    """What the rule decides on, and the edge that decides."""
    if claim.contrast is not None:
        yield claim.contrast, 0.0
    else:
        yield from ((row.here, edge) for row in claim.rows for edge in _edges(claim, row))


def _needed(here: Estimate, edge: float) -> Iterator[int | None]:
    deviation = deviation_of(here)
    if deviation is not None and here.low is not None and here.high is not None and here.low < edge < here.high:
        yield seeds_needed(here.mean, deviation, edge)


def _edges(claim: Claim, row: Compared) -> Iterator[float]:
    """Ends of the range that the number is compared with."""
    if row.paper is not None:
        yield from filter(math.isfinite, bounds(row.paper))
    elif claim.implied is not None:
        yield from filter(math.isfinite, (claim.implied.low, claim.implied.high))
