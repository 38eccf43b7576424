"""Claims that only sweeps judge, from the tables that git keeps of them (arXiv 2602.16746).

The report stage reads what the pipeline writes, and no sweep, so that a sweep never makes the report stale. These
claims are judged where documents are rendered.
"""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from sedlib.report.claims.claim import weakest
from sedlib.report.claims.verdicts import ABOUT, CONTRADICTED, NOT_RUN, SAME, verdict
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.paper import SEEDS, Reported, exactly
from sedlib.report.numbers.seeds import Estimate

EXECUTION, RANDOM = "keep-execution", "keep-fixed-random"
NEVER, NOT_WITHIN = math.inf, "not within"
"""The grok step of a run that never groks, and how a table says so."""
LEAD_EXPONENT = exactly(1.3, "learning rates", "size")
HIGH_RATE = 0.01


@dataclass(frozen=True)
class SweepClaim:
    """One claim of the paper, and what a sweep says of it."""

    claim: str
    paper: str
    here: str
    n: str
    verdict: str
    rule: str
    table: str
    """Path of the sweep's table."""


def sweep_claims(root: Path) -> pd.DataFrame:
    """A row per claim; "not run" where a sweep's table is missing."""
    return pd.DataFrame([asdict(claim) for claim in _all(root)])


def _all(root: Path) -> Iterator[SweepClaim]:
    for judge, table, claim, paper, rule in CLAIMS:
        path = root / table
        here, n, said = judge(path) if path.is_file() else (NOTHING, NOTHING, NOT_RUN)
        yield SweepClaim(claim, paper, here, n, said, rule, table)


def suppressed(table: Path) -> tuple[str, str, str]:
    """Whether the grok step rises with each strength of the suppression, in every run."""
    cells = _cells(table, EXECUTION, "strength")
    rises = all(
        later > earlier
        for _, of_op in cells.groupby("op")
        for seed in map(str, SEEDS)
        for earlier, later in itertools.pairwise(_grok_steps(of_op.sort_values("strength"), seed))
    )
    return _listed(cells, "strength"), _runs(cells), SAME if rises else CONTRADICTED


def suppressed_at_random(table: Path) -> tuple[str, str, str]:
    """The weakest verdict on the speed-up at each strength below 1."""
    return _no_effect(_cells(table, RANDOM, "strength"), "strength")


def suppressed_whole(table: Path) -> tuple[str, str, str]:
    """Whether no run groks in a subspace of either kind alone."""
    found = _read(table)
    whole = found[(found["strength"] == 1) & found["condition"].isin([EXECUTION, RANDOM])]
    grokked = int(whole["n"].sum())
    here = f"{grokked} of {len(whole) * len(SEEDS)} runs grok"
    return here, f"{len(whole) * len(SEEDS)} runs", SAME if grokked == 0 else CONTRADICTED


def kicked(condition: str) -> Callable[[Path], tuple[str, str, str]]:
    """The weakest verdict on the speed-up at each size of a kick."""

    def judge(table: Path) -> tuple[str, str, str]:
        return _no_effect(_cells(table, condition, "size"), "size")

    return judge


def lead_exponent(table: Path) -> tuple[str, str, str]:
    """Whether the interval of the fitted exponent meets the paper's."""
    found = json.loads(table.read_text())
    fitted = Estimate(found["exponent"], found["low"], found["high"], found["n"])
    return shown(fitted), f"{fitted.n} rates", verdict(fitted, LEAD_EXPONENT)


def no_lead(table: Path) -> tuple[str, str, str]:
    """Whether the run at the highest rate has no positive lead."""
    rows = _read(table)
    at_rate = rows[rows["lr"] == HIGH_RATE]
    if at_rate.empty:
        return NOTHING, NOTHING, NOT_RUN
    lead = float(at_rate["lead"].iloc[0])
    here = "no onset" if math.isnan(lead) else f"lead {number(lead)}"
    return here, "1 run", CONTRADICTED if lead > 0 else SAME


def _read(table: Path) -> pd.DataFrame:
    return pd.read_csv(table)


def _cells(table: Path, condition: str, axis: str) -> pd.DataFrame:
    """Rows of a condition along an axis; those at strength 1, of which no run keeps its fit, are judged apart."""
    found = _read(table)
    own = found[found["condition"] == condition]
    return own[own[axis] < 1] if axis == "strength" else own


def _grok_steps(rows: pd.DataFrame, seed: str) -> list[float]:
    return [NEVER if str(step).startswith(NOT_WITHIN) else float(step) for step in rows[seed]]


def _no_effect(cells: pd.DataFrame, axis: str) -> tuple[str, str, str]:
    none = Reported(1.0, 1.0, "no effect", "no effect")
    said = weakest(verdict(_speedup(row), none) for _, row in cells.iterrows())
    return _listed(cells, axis), _runs(cells), said


def _speedup(row: "pd.Series[float]") -> Estimate | None:
    """Over the seeds that grok."""
    if pd.isna(row["speedup"]):
        return None
    low, high = (None if pd.isna(row[f"speedup_{end}"]) else float(row[f"speedup_{end}"]) for end in ("low", "high"))
    return Estimate(float(row["speedup"]), low, high, int(row["n"]))


def _listed(cells: pd.DataFrame, axis: str) -> str:
    """Speed-ups over the control by operation and place on the axis, and how many seeds have one where not all do."""

    def cell(row: "pd.Series[float]") -> str:
        few = f" ({row['n']:g} of {len(SEEDS)} grok)" if row["n"] < len(SEEDS) else ""
        return f"{row[axis]:g}: {shown(_speedup(row))}{few}"

    return "; ".join(
        f"{op} " + ", ".join(cell(row) for _, row in rows.iterrows())
        for op, rows in cells.sort_values(axis).groupby("op")
    )


def _runs(cells: pd.DataFrame) -> str:
    return f"{len(cells) * len(SEEDS)} runs"


SUPPRESSION, KICKS = "sweeps/suppression/outcomes.csv", "sweeps/random_kicks/outcomes.csv"
NO_EFFECT_RULE = f"the weakest verdict on the speed-ups, of which each may be 1 ± {ABOUT}"
CLAIMS: tuple[tuple[Callable[[Path], tuple[str, str, str]], str, str, str, str], ...] = (
    (
        suppressed,
        SUPPRESSION,
        "The more of the gradient outside the execution basis is removed, the later a run groks",
        "later with each strength, four operations",
        f"{SAME} if the grok step rises with each strength below 1, in every run (one that never groks is last), else "
        f"{CONTRADICTED}",
    ),
    (
        suppressed_at_random,
        SUPPRESSION,
        "Outside a random subspace of equal rank, its removal in part changes nothing",
        "less than 50 steps",
        NO_EFFECT_RULE,
    ),
    (
        suppressed_whole,
        SUPPRESSION,
        "No run groks that moves in either subspace alone",
        "0 of 12 runs",
        f"{SAME} if none groks, else {CONTRADICTED}",
    ),
    (
        kicked("kick"),
        SUPPRESSION,
        "Kicks along the commutator do not speed grokking up",
        "no effect at any size",
        NO_EFFECT_RULE,
    ),
    (
        kicked("kick-random"),
        KICKS,
        "Nor do kicks in random directions",
        "no effect at any size",
        NO_EFFECT_RULE,
    ),
    (
        lead_exponent,
        "sweeps/learning_rates/scaling.json",
        "The lead grows as a power of the grok step",
        f"exponent {LEAD_EXPONENT}",
        f"the verdict on the exponent, a size: the interval meets 1.3 ± {ABOUT}",
    ),
    (
        no_lead,
        "sweeps/learning_rates/leads.csv",
        "At a learning rate of 0.01 the defect does not announce grokking",
        "the onset is concurrent with grokking",
        f"{SAME} if the run has no positive lead, else {CONTRADICTED}",
    ),
)
"""What judges each claim, its table, the claim, the paper's number and the rule."""
