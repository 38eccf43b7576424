"""What a measurement says of the paper's number, by rule and not by judgement.

- ``inside``: the interval over seeds (the mean, where there are fewer than three) meets the paper's range; that of a
  single number, and of what the paper says to have no effect, is ± 10 %;
- ``same direction``: an effect that is not inside, but lies on the same side of no effect, which is 1;
- ``contradicted``: an effect on the other side, or one where the paper has none;
- ``outside``: a size, such as a rank or a cosine, which has no side, beyond the paper's range;
- ``not in the paper``: the paper has no such number;
- ``not run``: nothing was measured.
"""

from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import Estimate

INSIDE, SAME, CONTRADICTED, OUTSIDE = "inside", "same direction", "contradicted", "outside"
NEW, NOT_RUN = "not in the paper", "not run"
TOLERANCE = 0.1
NO_EFFECT = 1.0


def verdict(ours: Estimate | None, paper: Reported | None) -> str:
    """The verdict on one number."""
    if ours is None:
        return NOT_RUN
    if paper is None:
        return NEW
    low, high = paper.low, paper.high
    if paper.kind == "no effect":
        low, high = min(low, NO_EFFECT - TOLERANCE), max(high, NO_EFFECT + TOLERANCE)
    elif low == high:
        low, high = low * (1 - TOLERANCE), high * (1 + TOLERANCE)
    ours_low = ours.mean if ours.low is None else ours.low
    ours_high = ours.mean if ours.high is None else ours.high
    if ours_low <= high and ours_high >= low:
        return INSIDE
    if paper.kind == "size":
        return OUTSIDE
    if paper.kind == "no effect":
        return CONTRADICTED
    return SAME if (ours.mean > NO_EFFECT) == ((paper.low + paper.high) / 2 > NO_EFFECT) else CONTRADICTED
