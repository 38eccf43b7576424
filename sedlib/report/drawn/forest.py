"""Every claim as a small picture: the paper's range and the intervals here, on an axis of the claim's own.

Places are in units of the picture, from its left edge and from its top.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.verdicts import NO_EFFECT
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers.digits import number
from sedlib.report.numbers.seeds import Estimate

WIDTH, LEFT, MARGIN, ROW, AXIS = 380, 124, 10, 14, 20
"""LEFT is where the axis begins; the labels stand before it."""
MOST_TICKS = 5
FEWEST_TICKS = 2
AS_A_LOGARITHM = 4.0
"""Largest over smallest positive value, from which the axis is logarithmic."""


PADDED = 1.1
"""An axis is longer by this factor at either end."""


@dataclass(frozen=True)
class Span:
    """A stretch of the axis, from left to right."""

    left: float
    right: float

    @property
    def width(self) -> float:
        """Width of the stretch: at least a hair, so that a single number is seen."""
        return max(self.right - self.left, 2.0)


@dataclass(frozen=True)
class Strip:
    """One number: its mean and its interval, and the paper's range."""

    label: str
    text: str
    y: float
    mean: float
    here: Span
    paper: Span | None


@dataclass(frozen=True)
class Forest:
    """The picture of a claim."""

    height: float
    strips: list[Strip]
    ticks: list[tuple[float, str]]
    one: float | None
    """Where no effect is, if the axis has it."""
    implied: Span | None


def forest(claim: Claim) -> Forest | None:
    """The picture; None for a claim without numbers."""
    if not claim.rows:
        return None
    values = [value for value in _values(claim) if math.isfinite(value)]
    positive = [value for value in values if value > 0]
    logarithmic = len(positive) == len(values) and max(values) / min(values) >= AS_A_LOGARITHM
    low, high = _padded(min(values), max(values), logarithmic=logarithmic)
    at = _scale(low, high, logarithmic=logarithmic)
    strips = [
        Strip(
            row.label,
            shown(row.here),
            float(MARGIN + ROW * place),
            at(row.here.mean),
            Span(*map(at, _ends(row.here))),
            Span(at(row.paper.low), at(row.paper.high)) if row.paper else None,
        )
        for place, row in enumerate(claim.rows)
    ]
    ticks = _ticks(low, high, logarithmic=logarithmic)
    return Forest(
        float(MARGIN + ROW * len(strips) + AXIS),
        strips,
        [(at(value), text) for value, text in zip(ticks, _texts(ticks), strict=True)],
        at(1.0) if low < 1 < high else None,
        Span(at(claim.implied.low), at(claim.implied.high)) if claim.implied else None,
    )


def _values(claim: Claim) -> Iterator[float]:
    """What the axis must hold; the paper's 0 as a lower end is no number of a ratio."""
    for row in claim.rows:
        yield from _ends(row.here)
        if row.paper:
            yield row.paper.high
            if row.paper.low:
                yield row.paper.low
            if row.paper.kind != "size" and "steps" not in claim.quantity:
                yield NO_EFFECT
    if claim.implied:
        yield from (claim.implied.low, claim.implied.high)


def _padded(low: float, high: float, *, logarithmic: bool) -> tuple[float, float]:
    """A little more than the numbers take, so that none lies on the edge."""
    if logarithmic:
        return low / PADDED, high * PADDED
    more = (high - low) * (PADDED - 1) or 0.5
    return low - more, high + more


def _ends(estimate: Estimate) -> tuple[float, float]:
    low, high = estimate.low, estimate.high
    return estimate.mean if low is None else low, estimate.mean if high is None else high


def _scale(low: float, high: float, *, logarithmic: bool) -> Callable[[float], float]:
    """Values to places; what lies beyond the axis is at its end."""

    def at(value: float) -> float:
        inside = min(max(value, low), high)
        share = math.log(inside / low) / math.log(high / low) if logarithmic else (inside - low) / (high - low)
        return round(LEFT + MARGIN + (WIDTH - LEFT - 2 * MARGIN) * share, 1)

    return at


def _texts(ticks: list[float]) -> list[str]:
    """As numbers are shown everywhere; with as many digits as tell them apart, where three do not."""
    texts = [number(value) for value in ticks]
    digits = 4
    while len(set(texts)) < len(texts):
        texts, digits = [f"{value:.{digits}g}" for value in ticks], digits + 1
    return texts


def _ticks(low: float, high: float, *, logarithmic: bool) -> list[float]:
    """A few round numbers between the ends."""
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
            if FEWEST_TICKS <= len(found) <= MOST_TICKS:
                return found
    return [float(value) for value in MaxNLocator(4).tick_values(low, high) if low <= value <= high]
