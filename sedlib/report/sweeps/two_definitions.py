"""Readings by a paper's text and by its released scripts, side by side, each with the verdict by its claim's rule."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from sedlib.leads import BASELINE, growth, onset
from sedlib.report.claims.companion_claims import growth_verdict, lead_verdict, leads_in_words
from sedlib.report.claims.multitask_claims import HIDDEN, NEEDED, below
from sedlib.report.claims.verdicts import NEW, verdict
from sedlib.report.metrics.late_numbers import LAST
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.results import before_grokking, mean_ratios
from sedlib.report.numbers.seeds import estimate
from sedlib.report.numbers.trajectories import lead_numbers
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, gradient_of

TRAILING, HELD = "windows that end at their checkpoint (text)", "forward, held at the end (scripts)"
SHARED, OWN = "one batch for all operations (text)", "a batch for each operation (scripts)"
PRINCIPAL, ABSOLUTE = "principal cosines (text)", "absolute cosines (scripts)"
FROM_200, FROM_100, ROUNDED = "every 200 steps", "every 100 steps", "every 100 steps, differences in float32 (scripts)"
NOT_IN_SCRIPTS = ("mul-42-wd0",)
"""Runs that never grok of which the scripts have no like: theirs are quad, cubic, and add without weight decay."""
Row = dict[str, Any]
MEASURED: Mapping[str, Callable[[pd.DataFrame], "pd.Series[float]"]] = {
    FROM_200: lambda table: table[table["step"] % 200 == 0].set_index("step")["defect"],
    FROM_100: lambda table: table.set_index("step")["defect"],
    ROUNDED: lambda table: table.set_index("step")["rounded_defect"],
}
"""Defects by their steps, from a run's table."""


def windows(
    by_text: Mapping[str, pd.DataFrame], held: Mapping[str, pd.DataFrame], grokked: Mapping[str, int | None]
) -> list[Row]:
    """Peak, plateau and last checkpoints of R̄ of gradient and update under both alignments of the window."""
    rows: list[Row] = []
    for stream, claim, reported in (
        (gradient_of("add"), "gradient-peak", paper.SINGLE_TASK_GRADIENT),
        (UPDATE, "update-peak", paper.SINGLE_TASK_UPDATE),
    ):
        for definition, tables in ((TRAILING, by_text), (HELD, held)):
            curves = {run: _curve(table, stream, "add") for run, table in tables.items() if run in held}
            for reading, values in _readings(curves, grokked).items():
                about = claim if reading == "peak" else "–"
                paper_has = reported if reading == "peak" else None
                rows.append(_row(about, f"R̄ of {stream}, {reading}", definition, paper_has, values))
    return rows


def batches(by_text: Mapping[str, pd.DataFrame], own: Mapping[str, pd.DataFrame]) -> list[Row]:
    """Final R̄ of each operation's gradient, and its ratios for the summed gradient and for a single one."""
    rows: list[Row] = []
    for op in [op for op in paper.OPS if any((table["op"] == op).any() for table in own.values())]:
        for definition, tables in ((SHARED, by_text), (OWN, own)):
            there = [table for run, table in tables.items() if run in own]
            final = [_final(table, gradient_of(op), op) for table in there]
            summed = [_final(table, TOTAL_GRADIENT, op) for table in there]
            alone = [_final(table, gradient_of(op), op, alone=True) for table in there]
            rows.append(_row("multitask-per-op", f"final R̄ of {op}", definition, paper.MULTITASK_PER_OP, final))
            for claim, quantity, values, bound in (
                ("aggregation", "sum over own", _over(summed, final), HIDDEN),
                ("multitask-window", "W = 1 over the window", _over(alone, final), NEEDED),
            ):
                row = _row(claim, f"{quantity}, {op}", definition, None, values)
                rows.append({**row, "paper": f"below {bound:g}", "verdict": below(estimate(values), bound)})
    return rows


def overlaps(tables: Mapping[str, pd.DataFrame]) -> list[Row]:
    """Overlap of the top three components of both centroids at the start, half way and at the end."""
    rows: list[Row] = []
    for phase, place in (("first", 0.0), ("half way", 0.5), ("last", 1.0)):
        at = {run: table.iloc[round(place * (len(table) - 1))] for run, table in tables.items()}
        for definition, column in ((PRINCIPAL, "top3_cosine"), (ABSOLUTE, "absolute_overlap")):
            values = [float(row[column]) for row in at.values()]
            rows.append(_row("–", f"overlap of both centroids, {phase}", definition, None, values))
    return rows


def defects(grokking: Mapping[str, pd.DataFrame], others: Mapping[str, pd.DataFrame]) -> list[Row]:
    """Smallest growth of the runs that grok and largest of the others, by where it starts and how it is computed.

    By the scripts' definition others are the scripts' own; each further run has a row of its own, without a verdict.
    """
    rows: list[Row] = []
    for definition, measured in MEASURED.items():
        grown, still = (
            {
                run: growth(found.to_numpy())
                for run, table in tables.items()
                if len(found := measured(table)) >= BASELINE
            }
            for tables in (grokking, others)
        )
        counted = [growth for run, growth in still.items() if _counts(run, definition)]
        said = growth_verdict([*grown.values()], counted)
        for title, values, end, reported in (
            ("smallest growth of the runs that grok", [*grown.values()], min, paper.DEFECT_GROWTH),
            ("largest growth of the other runs", counted, max, paper.DEFECT_GROWTH_WITHOUT_GROKKING),
        ):
            if values:
                row = _row("defect-growth", title, definition, reported, [end(values)])
                rows.append({**row, "n": len(values), "verdict": said})
        further = {run: value for run, value in still.items() if not _counts(run, definition)}
        rows += [_row("–", f"growth of {run}", definition, None, [value]) for run, value in further.items()]
    return rows


def _counts(run: str, definition: str) -> bool:
    """Whether a run that never groks is one of the definition's."""
    return definition != ROUNDED or run not in NOT_IN_SCRIPTS


def leads(
    grokking: Mapping[str, pd.DataFrame], others: Mapping[str, pd.DataFrame], accurate: Mapping[str, int | None]
) -> list[Row]:
    """How many leads are positive, and how many of the runs that never grok have an onset all the same.

    Parameters
    ----------
    accurate
        The accurate step of each run that groks.
    """
    rows: list[Row] = []
    for definition, measured in MEASURED.items():
        began, alarms = (
            {run: _onset(found) for run, table in tables.items() if len(found := measured(table)) >= BASELINE}
            for tables in (grokking, others)
        )
        test = lead_numbers({run: _lead(start, accurate[run]) for run, start in began.items()}, accurate)
        if test["n"]:
            row = _row("lead", "runs with a positive lead", definition, None, [])
            said = {"paper": paper.LEAD.source, "here": leads_in_words(test), "n": test["n"]}
            rows.append({**row, **said, "verdict": lead_verdict(test)})
        if counted := [start for run, start in alarms.items() if _counts(run, definition)]:
            row = _row("–", "other runs with an onset", definition, None, [])
            fired = f"{sum(start is not None for start in counted)} of {len(counted)}"
            rows.append({**row, "here": fired, "n": len(counted), "verdict": NEW})
    return rows


def _lead(began: int | None, accurate: int | None) -> int | None:
    return None if began is None or accurate is None else accurate - began


def _onset(defects: "pd.Series[float]") -> int | None:
    return onset(defects.index.to_numpy(), defects.to_numpy())


def _curve(table: pd.DataFrame, stream: str, op: str) -> pd.DataFrame:
    ratios = mean_ratios(table)
    own = ratios[(ratios["op"] == op) & (ratios["stream"] == stream)]
    return own[own["window"] == own["window"].max()].sort_values("step")


def _readings(curves: Mapping[str, pd.DataFrame], grokked: Mapping[str, int | None]) -> dict[str, list[float]]:
    plateaus = (before_grokking(curve, grokked.get(run))["ratio"].median() for run, curve in curves.items())
    return {
        "peak": [float(curve["ratio"].max()) for curve in curves.values()],
        "plateau": [float(value) for value in plateaus if not pd.isna(value)],
        f"median of the last {LAST}": [float(curve["ratio"].tail(LAST).median()) for curve in curves.values()],
    }


def _final(table: pd.DataFrame, stream: str, op: str, *, alone: bool = False) -> float:
    ratios = mean_ratios(table)
    own = ratios[(ratios["op"] == op) & (ratios["stream"] == stream)]
    chosen = own[own["window"] == (1 if alone else own["window"].max())].sort_values("step")["ratio"]
    return float(chosen.iloc[-1])


def _over(above: Iterable[float], below: Iterable[float]) -> list[float]:
    return [first / second for first, second in zip(above, below, strict=True)]


def _row(claim: str, quantity: str, definition: str, reported: Reported | None, values: list[float]) -> Row:
    here = estimate(values) if values else None
    return {
        "claim": claim,
        "quantity": quantity,
        "definition": definition,
        "paper": str(reported) if reported else "–",
        "here": shown(here),
        "n": here.n if here else 0,
        "verdict": verdict(here, reported),
    }
