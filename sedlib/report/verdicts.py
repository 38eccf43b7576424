"""What a measurement says of the paper's number, by rule and not by judgement.

- ``inside``: the interval over seeds (the mean, where there are fewer than three) meets the paper's range; that of a
  single number is ± 10 %;
- ``same direction``: it does not, but both lie on the same side of the reference, which is the value of no effect;
- ``contradicted``: neither;
- ``not in the paper``: the paper has no such number;
- ``not run``: nothing was measured.
"""

from sedlib.report.paper import Reported
from sedlib.report.seeds import Estimate

INSIDE, SAME, CONTRADICTED = "inside", "same direction", "contradicted"
NEW, NOT_RUN = "not in the paper", "not run"
TOLERANCE = 0.1


def verdict(ours: Estimate | None, paper: Reported | None, reference: float | int) -> str:
    """The verdict on one number; ``reference`` is the value of no effect, such as 1 for a ratio."""
    if ours is None:
        return NOT_RUN
    if paper is None:
        return NEW
    low, high = paper.low, paper.high
    if low == high:
        low, high = sorted((low * (1 - TOLERANCE), high * (1 + TOLERANCE)))
    ours_low = ours.mean if ours.low is None else ours.low
    ours_high = ours.mean if ours.high is None else ours.high
    if ours_low <= high and ours_high >= low:
        return INSIDE
    middle = (paper.low + paper.high) / 2
    return SAME if (ours.mean > reference) == (middle > reference) else CONTRADICTED
