"""What the paper reports (arXiv 2604.25143): every readable number of its tables and text, each with its place.

The paper's formulas and some of its numbers were lost where it was converted to text; only what can be read is here.
A value by seed stands as reported, a range as its two ends.
"""

from dataclasses import dataclass

SEEDS = (42, 137, 2024)


@dataclass(frozen=True)
class Reported:
    """A number of the paper, or the range that it gives, and where."""

    low: float
    high: float
    source: str

    def __str__(self) -> str:
        return number(self.low) if self.low == self.high else f"{number(self.low)}–{number(self.high)}"


def number(value: float | int) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def exactly(value: float, source: str) -> Reported:
    """One number."""
    return Reported(value, value, source)


UPDATE_PEAK = {"add": 8.97, "sub": 3.52, "mul": 3.47, "sq": 3.64}
UPDATE_FINAL = {"add": 4.26, "sub": 2.45, "mul": 1.57, "sq": 1.13}
GRADIENT_PEAK = {
    "add": (202.4, 228.2, 229.2),
    "sub": (259.3, 125.5, 188.6),
    "mul": (326.7, 101.0, 217.1),
    "sq": (114.5, 108.8, 138.8),
}
GRADIENT_PEAK_MEAN = {"add": 219.9, "sub": 191.1, "mul": 214.9, "sq": 120.7}
"""Table 1: update SED of seed 42, gradient SED of the three seeds."""
UPDATE_SPREAD = exactly(2.58, "Table 1, spread of the update SED's peak over operations")
GRADIENT_SPREAD = exactly(1.82, "Table 1, spread of the gradient SED's peak over operations")
SINGLE_TASK_UPDATE = Reported(3.0, 9.0, "abstract")
SINGLE_TASK_GRADIENT = Reported(110.0, 330.0, "section 3")

R1_BY_WINDOW = {1: 648.0, 20: 212.0, 40: 140.0}
R1_BY_EPSILON = {0.001: 221.0, 0.005: 212.0, 0.05: 74.0}
RANK_AND_PROBE_SPREAD = 0.05
"""Table 2: R_1 peak on add, seed 42; rank and probe seed change it by about 5 %."""

PER_EXAMPLE = {"init": 27.0, "mid": 92.0, "after": 431.0}
PER_EXAMPLE_COSINE = Reported(0.05, 0.35, "Table 3")
"""Table 3: add, at three phases; |cos| between the first direction and the mean gradient."""

MULTITASK_UPDATE = Reported(0.0, 1.0, "section 4, figure 3")
MULTITASK_PER_OP = Reported(20.0, 45.0, "section 4, figure 4")

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

RANK90 = {"init": (62.0, 76.0), "mid": (96.0, 88.0), "after": (23.0, 18.0)}
"""Limitations: rank-90 of the logit and the full centroid."""


def speedup(projection: str, op: str, condition: str) -> Reported | None:
    """Range over seeds of the control's grok step over the condition's; None where the paper has no such row."""
    found = GROK_STEPS.get((projection, op, condition))
    if found is None:
        return None
    ratios = [control / step for control, step in zip(GROK_STEPS[projection, op, "control"], found, strict=True)]
    return Reported(min(ratios), max(ratios), f"Table {4 if projection == 'update' else 5}")


def by_seed(values: tuple[float, ...], source: str) -> Reported:
    """Range over the three seeds."""
    return Reported(min(values), max(values), source)
