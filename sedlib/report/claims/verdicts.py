"""What a measurement says of the paper's number, by rule and not by judgement: the rule is ``MEANINGS``."""

from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import FEWEST_SEEDS, Estimate

INSIDE, SAME, CONTRADICTED, OUTSIDE = "inside", "same direction", "contradicted", "outside"
NEW, NOT_RUN = "not in the paper", "not run"
TOLERANCE = 0.1
NO_EFFECT = 1.0
ABOUT = f"{100 * TOLERANCE:.0f} %"
"""The tolerance in words."""
MEANINGS = {
    INSIDE: f"the interval over seeds (the mean, where there are fewer than {FEWEST_SEEDS}) meets the paper's range, "
    f"which is that over its seeds or the one in its text; a single number is a range of ± {ABOUT}, and where the "
    f"paper sees no effect, {NO_EFFECT:g} ± {ABOUT} is in the range as well",
    SAME: "an effect that is not inside, but lies on the same side of no effect, which is "
    f"{NO_EFFECT:g} for a coupling ratio or a speed-up",
    CONTRADICTED: "an effect on the other side, or one where the paper has none",
    OUTSIDE: "a size, such as a rank or a cosine, which has no side, beyond the paper's range",
    NEW: "the paper has no such number",
    NOT_RUN: "nothing was measured",
}
"""The rule for one number; the page and docs/report.md show it."""


def bounds(paper: Reported) -> tuple[float, float]:
    """The range that counts as the paper's."""
    low, high = paper.low, paper.high
    if paper.kind == "no effect":
        return min(low, NO_EFFECT - TOLERANCE), max(high, NO_EFFECT + TOLERANCE)
    return (low * (1 - TOLERANCE), high * (1 + TOLERANCE)) if low == high else (low, high)


def verdict(ours: Estimate | None, paper: Reported | None) -> str:
    """The verdict on one number."""
    if ours is None:
        return NOT_RUN
    if paper is None:
        return NEW
    low, high = bounds(paper)
    ours_low = ours.mean if ours.low is None else ours.low
    ours_high = ours.mean if ours.high is None else ours.high
    if ours_low <= high and ours_high >= low:
        return INSIDE
    if paper.kind == "size":
        return OUTSIDE
    if paper.kind == "no effect":
        return CONTRADICTED
    return SAME if (ours.mean > NO_EFFECT) == ((paper.low + paper.high) / 2 > NO_EFFECT) else CONTRADICTED
