"""How much the commutator defect grows by the steps since grokking at which a run stops: the companion's 513."""

import numpy as np
import pandas as pd

from sedlib.leads import BASELINE
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import number
from sedlib.report.numbers.seeds import Estimate
from sedlib.report.sweeps.since_grok import GROWTH, Curves, readings_at, stop_row
from sedlib.terms.stops_after_grokking import STOPS

LEAST = "smallest growth of the defect"


def growth_curve(defects: pd.DataFrame, grokked: int, last: int) -> dict[str, "pd.Series[float]"]:
    r"""Defect over the median of the first three, by differences in float32 as in the scripts, by steps since.

    The largest up to a stop is the growth of a run that stops there. Of the steps between the last measurement and the
    end of the run, at step ``last``, nothing is known but what was known before.
    """
    measured = defects.set_index("step")["rounded_defect"].sort_index()
    since = [int(step) - grokked for step in measured.index]
    grown = (measured / float(np.median(measured.iloc[:BASELINE]))).tolist()
    if last - grokked > since[-1]:
        since, grown = [*since, last - grokked], [*grown, grown[-1]]
    return {GROWTH: pd.Series(grown, index=since)}


def least_growth(curves: Curves) -> pd.DataFrame:
    """A row per stop: the smallest growth of all runs, of which the companion has at least 513."""
    rows = []
    for stop in STOPS:
        reached = [readings_at(of_run, stop) for by_run in curves.values() for of_run in by_run.values()]
        if grown := [known[GROWTH] for known in reached if GROWTH in known]:
            rows.append({**stop_row(LEAST, "all", stop, Estimate(min(grown), None, None, 1)), "n": len(grown)})
    return pd.DataFrame(rows)


def growth_sentence(table: pd.DataFrame) -> str:
    """The smallest growth at each stop, as a line of a list; nothing where none was measured."""
    if table.empty:
        return ""
    listed = ", ".join(f"{row['shown']} after {row['stops after']:,} steps" for row in table.to_dict("records"))
    low = number(paper.DEFECT_GROWTH.low)
    return f"- {LEAST.capitalize()} of all runs, of which the paper has at least {low}: {listed}.\n"
