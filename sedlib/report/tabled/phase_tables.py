"""Tables of single checkpoints at three phases: bases from one checkpoint, and both definitions of the centroid."""

from typing import Any

import pandas as pd

from sedlib.report.claims.verdicts import NOT_RUN
from sedlib.report.metrics.reading import PHASES, Numbers, nested, of_phase, quantity_title
from sedlib.report.numbers import paper
from sedlib.report.numbers.paper import Reported, exactly
from sedlib.report.tabled.compared import compared


def single_checkpoint(numbers: Numbers) -> pd.DataFrame:
    """Table 3."""
    rows = []
    for phase in PHASES:
        found = nested(numbers, "single_step", phase) or {}
        reported: dict[str, Reported | None] = {
            "per_example": exactly(paper.PER_EXAMPLE[phase], "Table 3"),
            "mean_gradient": None,
            "window": None,
            "cosine": paper.PER_EXAMPLE_COSINE,
        }
        rows += [
            _of_phase(found, compared({"phase": phase, "quantity": quantity_title(name)}, value, of_phase(found, name)))
            for name, value in reported.items()
        ]
    return pd.DataFrame(rows)


def centroids(numbers: Numbers) -> pd.DataFrame:
    """Rank-90 of both definitions, their agreement, and R̄ under each."""
    others = ("row_cosine", "top1_cosine", "top3_cosine", "per_example_logit", "per_example_full")
    rows = []
    for phase in PHASES:
        found = nested(numbers, "centroids", phase) or {}
        logit, full = paper.RANK90[phase]
        reported: dict[str, Reported | None] = {
            "rank90_logit": exactly(logit, "limitations", "size"),
            "rank90_full": exactly(full, "limitations", "size"),
            **dict.fromkeys((*others, "window_logit", "window_full")),
        }
        rows += [
            _of_phase(found, compared({"phase": phase, "quantity": quantity_title(name)}, value, of_phase(found, name)))
            for name, value in reported.items()
        ]
    return pd.DataFrame(rows)


def _of_phase(found: Numbers, row: dict[str, Any]) -> dict[str, Any]:
    """A row of a phase that was measured: its number of runs, and why a number is not there."""
    if row["n"]:
        return {**row, "n": found["n"]}
    return {**row, "verdict": found.get("reason", NOT_RUN)}
