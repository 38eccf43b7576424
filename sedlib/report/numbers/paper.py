"""What the paper (arXiv 2604.25143) and its companion (arXiv 2602.16746) report.

Each number stands with its place. The cells of Tables 2 and 3 were lost where the paper was converted to text; those
two tables are given here as its author describes them in public. A value by seed stands as reported, a range as its two
ends.
"""

import math
from dataclasses import dataclass
from typing import Literal

from sedlib.report.numbers.digits import spanned
from sedlib.terms.condition import CONTROL

SEEDS = (42, 137, 2024)
OPS = ("add", "sub", "mul", "sq")

Kind = Literal["effect", "no effect", "size"]


@dataclass(frozen=True)
class Reported:
    """A number of the paper, or the range that it gives, and where."""

    low: float
    high: float
    source: str
    kind: Kind = "effect"
    """An effect lies on one side of 1; no effect is a value near 1; a size has no side."""

    def __str__(self) -> str:
        return spanned(self.low, self.high)


def exactly(value: float, source: str, kind: Kind = "effect") -> Reported:
    """One number."""
    return Reported(value, value, source, kind)


UPDATE_PEAK = {"add": 8.97, "sub": 3.52, "mul": 3.47, "sq": 3.64}
UPDATE_FINAL = {"add": 4.26, "sub": 2.45, "mul": 1.57, "sq": 1.13}
GRADIENT_PEAK = {
    "add": (202.4, 228.2, 229.2),
    "sub": (259.3, 125.5, 188.6),
    "mul": (326.7, 101.0, 217.1),
    "sq": (114.5, 108.8, 138.8),
}
"""Table 1: update SED of seed 42, gradient SED of the three seeds."""
UPDATE_SPREAD = exactly(2.58, "Table 1, spread of the update SED's peak over operations")
GRADIENT_SPREAD = exactly(1.82, "Table 1, spread of the gradient SED's peak over operations")
GRADIENT_OVER_UPDATE = Reported(30.0, 100.0, "sections 2 and 3, gradient SED's peak over update SED's")
SINGLE_TASK_UPDATE = Reported(3.0, 9.0, "section 6")
UPDATE_PEAK_SEEDS = Reported(8.0, 12.0, "figure 1, add over three seeds")
SINGLE_TASK_GRADIENT = Reported(110.0, 330.0, "section 3")

R1_BY_WINDOW = {1: 648.0, 20: 212.0, 40: 140.0}
R1_BY_EPSILON = {0.001: 221.0, 0.005: 212.0, 0.05: 74.0}
RANK_AND_PROBE_SPREAD = 0.05
"""Table 2: R_1 peak on add, seed 42; rank and probe seed change that of the defaults by about 5 %."""

PER_EXAMPLE = {"init": 27.0, "mid": 92.0, "after": 431.0}
PER_EXAMPLE_COSINE = Reported(0.05, 0.35, "Table 3", "size")
"""Table 3: add, at three phases; |cos| between the first direction and the mean gradient."""

MULTITASK_UPDATE = Reported(0.0, 1.0, "section 4: worse than a random direction throughout")
MULTITASK_PER_OP = Reported(20.0, 45.0, "section 4, by the end of training")

GROK_STEPS = {
    ("update", "add", "control"): (3550, 3450, 3025),
    ("update", "add", "remove-sed"): (2925, 2625, 2725),
    ("update", "add", "keep-sed"): (1600, 1875, 1575),
    ("update", "add", "remove-random"): (3600, 3525, 3125),
    ("update", "add", "keep-random"): (1500, 1450, 1450),
    ("update", "mul", "control"): (3100, 3500, 3025),
    ("update", "mul", "remove-sed"): (2350, 3200, 3275),
    ("update", "mul", "keep-sed"): (1500, 1725, 1850),
    ("update", "mul", "remove-random"): (3075, 3500, 3050),
    ("update", "mul", "keep-random"): (1275, 1625, 1800),
    ("gradient", "add", "control"): (3550, 3525, 3000),
    ("gradient", "add", "remove-sed"): (3525, 3425, 2950),
    ("gradient", "add", "keep-sed"): (1425, 1675, 1475),
    ("gradient", "add", "remove-random"): (3575, 3450, 3050),
    ("gradient", "add", "keep-random"): (1425, 1475, 1375),
}
"""Tables 4 (update projection) and 5 (gradient projection), by seed."""

CENTROID_NAMES = {"logit": "simplified", "full": "full"}
"""Words for the two centroids, by the words of the result tables."""
RANK90 = {"init": (62.0, 76.0), "mid": (96.0, 88.0), "after": (23.0, 18.0)}
"""Limitations: rank-90 of the simplified and the full centroid."""


GROK_STEP_MEANS = {
    ("update", "add"): {
        "control": 3342.0,
        "remove-sed": 2758.0,
        "keep-sed": 1683.0,
        "remove-random": 3417.0,
        "keep-random": 1467.0,
    },
    ("update", "mul"): {
        "control": 3208.0,
        "remove-sed": 2942.0,
        "keep-sed": 1692.0,
        "remove-random": 3208.0,
        "keep-random": 1567.0,
    },
    ("gradient", "add"): {
        "control": 3358.0,
        "remove-sed": 3300.0,
        "keep-sed": 1525.0,
        "remove-random": 3358.0,
        "keep-random": 1425.0,
    },
}
"""The tables' own columns of means."""
NEVER_GROK_WITHOUT_DECAY = ("control", "keep-sed", "keep-random")
STEPS_WITHOUT_DECAY = 8000
"""Section 5: with weight decay 0, seed 42, none of these groks within as many steps."""

# The companion paper, arXiv 2602.16746; its numbers, too, stand as docs/method.md's source restores them.
PC1_PERCENT = Reported(68.0, 94.0, "per attention matrix: 68 to 83 in the abstract, 70 to 94 in the text", "size")
PC1_Z = Reported(5.0, math.inf, "above random walks")
SHARE_OVER_RANDOM = Reported(1.8, 2.9, "share in the execution basis over that in five random subspaces")
RHO = Reported(0.9995, 1.0, "1.000", "size")
LEAD = Reported(600.0, 1600.0, "positive in 12 of 12 grokking runs, mean 1,117")
DEFECT_GROWTH = Reported(513.0, math.inf, "grokking runs, at least")
DEFECT_GROWTH_WITHOUT_GROKKING = Reported(0.0, 47.0, "the others, at most", "size")

SLOW_GROK_STEP = exactly(570_000.0, "table of regimes, mean of the runs", "size")
SLOW_ONSET = exactly(185_000.0, "figure of the slow regime, one run", "size")
SLOW_ACCURATE_STEP = exactly(585_000.0, "figure of the slow regime, one run", "size")
SLOW_LEAD = Reported(400_000.0, 558_000.0, "400,000 in the figure, 558,000 in the table of regimes", "size")
SLOW_LEAD_SHARE = exactly(0.55, "table of regimes; its own lead and grok step give 0.98", "size")
SLOW_RHO = Reported(0.9995, 1.0, "table of regimes, about 1.000", "size")
SLOW_PC1_PERCENT = Reported(
    84.0, 94.0, "figure of two regimes, add, the last layer; its caption says lower than in the fast one", "size"
)

CHANGES_NOTHING = {("gradient", "remove-sed"), ("gradient", "remove-random"), ("update", "remove-random")}
"""Interventions that the paper says change nothing."""


def speedup(projection: str, op: str, condition: str) -> Reported | None:
    """Range over seeds of the control's grok step over the condition's; None where the paper has no such row."""
    found = GROK_STEPS.get((projection, op, condition))
    if found is None:
        return None
    ratios = [control / step for control, step in zip(GROK_STEPS[projection, op, CONTROL.name], found, strict=True)]
    kind: Kind = "no effect" if (projection, condition) in CHANGES_NOTHING else "effect"
    return Reported(min(ratios), max(ratios), f"Table {4 if projection == 'update' else 5}", kind)


def by_seed(values: tuple[float, ...], source: str) -> Reported:
    """Range over the three seeds."""
    return Reported(min(values), max(values), source)
