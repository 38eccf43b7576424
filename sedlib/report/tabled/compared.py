"""A row of a table: paper | here | n | verdict."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report.claims.verdicts import NOT_RUN, verdict
from sedlib.report.metrics.reading import estimated, nested, quantity_title, shown
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import Estimate

TITLES = {
    "per_op_peak": "own gradient peak",
    "per_op_final": "own gradient final",
    "aggregate_peak": "aggregate gradient peak",
    "aggregate_final": "aggregate gradient final",
    "per_example": "R̄ of per-example gradients",
    "mean_gradient": "R̄ of the mean gradient",
    "window": "R̄ of the window",
    "cosine": "cosine of per-example direction and mean gradient",
    "rank90_logit": "rank-90, simplified centroid",
    "rank90_full": "rank-90, full centroid",
    "row_cosine": "cosine of the two centroids at a probe",
    "top1_cosine": "cosine of the two centroids' first component",
    "top3_cosine": "cosine of the two centroids' first three components",
    "per_example_logit": "R̄ of per-example gradients, simplified centroid",
    "per_example_full": "R̄ of per-example gradients, full centroid",
    "window_logit": "R̄ of the window, simplified centroid",
    "window_full": "R̄ of the window, full centroid",
}
"""Quantities of metrics.json whose names say too little."""


def compared(labels: Mapping[str, str], reported: Reported | None, numbers: Any) -> dict[str, Any]:
    """A row; ``numbers`` is a number over seeds, a plain number, or None."""
    if numbers is None or isinstance(numbers, Mapping):
        ours, reason = estimated(numbers), nested(numbers or {}, "reason")
    else:
        ours, reason = Estimate(float(numbers), None, None, 1), None
    return {
        **labels,
        "paper": NOTHING if reported is None else str(reported),
        "here": shown(ours) + (f" ({reason})" if ours and reason else ""),
        "n": ours.n if ours else 0,
        "verdict": reason if ours is None and reason else verdict(ours, reported),
    }


def titled(name: str) -> str:
    """The quantity in words, as a table's row names it."""
    return TITLES.get(name) or quantity_title(name)


def not_run(command: str) -> pd.DataFrame:
    """In place of a table whose stages were not run."""
    return pd.DataFrame([{"verdict": NOT_RUN, "command": command}])
