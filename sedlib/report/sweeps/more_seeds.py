"""Claims that three seeds leave open, on as many seeds as their spread asks for: sweeps/more_seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.claims.settling import seeds_that_decide
from sedlib.report.claims.verdicts import bounds, verdict
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.paper import CENTROID_NAMES, Reported, exactly
from sedlib.report.numbers.phases import centroid_definitions, estimators
from sedlib.report.numbers.results import mean_ratios
from sedlib.report.numbers.seeds import Estimate, estimate
from sedlib.terms.stream_names import UPDATE, gradient_of

AFTER = "after"
"""The phase after grokking, of bases from single checkpoints."""
DECIDED = "decided"


@dataclass(frozen=True)
class Counted:
    """One number of a claim, of each seed."""

    claim: str
    quantity: str
    reported: Reported
    by_seed: Mapping[int, float]


def peaks(op: str, tables: Mapping[int, pd.DataFrame], claim: str) -> Counted:
    """Peak R̄ of an operation's gradient, or its ratio to the update's, of each seed's table of coupling.

    Raises
    ------
    UserError
        A table lacks one of the streams.
    """
    gradient = {seed: _peak(table, gradient_of(op), op) for seed, table in tables.items()}
    if claim == "gradient-peak":
        return Counted(claim, f"peak R̄ of the gradient, {op}", paper.SINGLE_TASK_GRADIENT, gradient)
    ratios = {seed: gradient[seed] / _peak(table, UPDATE, op) for seed, table in tables.items()}
    return Counted(claim, f"peak R̄ of the gradient / of the update, {op}", paper.GRADIENT_OVER_UPDATE, ratios)


def per_example(tables: Mapping[int, tuple[pd.DataFrame, pd.DataFrame]]) -> Counted:
    """R̄ of per-example gradients after grokking, of each seed's ratios and angles."""
    by_seed = {seed: _after(estimators(*pair), "per-example") for seed, pair in tables.items()}
    reported = exactly(paper.PER_EXAMPLE[AFTER], "Table 3")
    return Counted("per-example", "R̄ of per-example gradients after grokking, add", reported, by_seed)


def ranks(tables: Mapping[int, tuple[pd.DataFrame, pd.DataFrame]]) -> list[Counted]:
    """Rank-90 of both centroids after grokking, of each seed's centroids and ratios at single checkpoints."""
    rows = {seed: centroid_definitions(*pair) for seed, pair in tables.items()}
    return [
        Counted(
            "centroid-rank",
            f"rank-90 of the {name} centroid after grokking, add",
            exactly(reported, "limitations", "size"),
            {seed: _after(table, f"rank90_{kind}") for seed, table in rows.items()},
        )
        for (kind, name), reported in zip(CENTROID_NAMES.items(), paper.RANK90[AFTER], strict=True)
    ]


def more_seeds(counted: Sequence[Counted]) -> pd.DataFrame:
    """A row per number: the verdict on the paper's seeds and on all, and the seeds that would decide.

    Raises
    ------
    UserError
        A number lacks one of the paper's seeds, or has no other.
    """
    rows = []
    for number in counted:
        if missing := [seed for seed in paper.SEEDS if seed not in number.by_seed]:
            raise UserError(f"{number.quantity}: no run of seed {missing[0]}; run `dvc repro`")
        if len(number.by_seed) == len(paper.SEEDS):
            raise UserError(f"{number.quantity}: no seed beside {paper.SEEDS}; name runs in the sweep's params.yaml")
        first = estimate([number.by_seed[seed] for seed in paper.SEEDS])
        every = estimate([number.by_seed[seed] for seed in sorted(number.by_seed)])
        rows.append(
            {
                "claim": number.claim,
                "quantity": number.quantity,
                "paper": str(number.reported),
                "the paper's seeds": shown(first),
                "verdict on them": verdict(first, number.reported),
                "all seeds": shown(every),
                "n": every.n,
                "verdict": verdict(every, number.reported),
                "settled with": settled_with(every, number.reported),
            }
        )
    return pd.DataFrame(rows)


def settled_with(here: Estimate, reported: Reported) -> str:
    """Seeds after which the interval would lie over no edge of the paper's range; "decided" where it lies over none.

    >>> settled_with(Estimate(1.2, 1.0, 1.4, 10), Reported(1.3, 2.0, "text"))
    '43'
    """
    if here.low is None:
        raise ValueError(f"an interval takes three seeds, got {here}")
    return seeds_that_decide((here, edge) for edge in bounds(reported) if math.isfinite(edge)) or DECIDED


def _peak(table: pd.DataFrame, stream: str, op: str) -> float:
    ratios = mean_ratios(table)
    own = ratios[(ratios["op"] == op) & (ratios["stream"] == stream)]
    if own.empty:
        raise UserError(f"no coupling of {stream} on {op}; run `dvc repro sweeps/more_seeds/dvc.yaml`")
    return float(own.loc[own["window"] == own["window"].max(), "ratio"].max())


def _after(table: pd.DataFrame, column: str) -> float:
    found = table.loc[table["phase"] == AFTER, column]
    if len(found) != 1:
        raise UserError(f"expected one checkpoint after grokking, got {len(found)}; the run must grok")
    return float(found.iloc[0])
