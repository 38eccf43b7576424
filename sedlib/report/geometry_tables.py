"""The companion paper's tables (arXiv 2602.16746): paper | ours | n | verdict, from metrics.json alone."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from sedlib.report import paper
from sedlib.report.paper import Reported, number
from sedlib.report.seeds import estimate
from sedlib.report.tables import Numbers, at, compared, not_run

COMMAND = "dvc repro trajectory curvature"
REPORTED: dict[str, tuple[str, Reported | None]] = {
    "pc1_min": ("PC1 %, least of the attention matrices", paper.PC1_PERCENT),
    "pc1_max": ("PC1 %, largest", paper.PC1_PERCENT),
    "z_min": ("z of PC1 % against random walks, least", paper.PC1_Z),
    "share_over_random": (
        "commutator's share in the execution basis over that in a random one",
        paper.SHARE_OVER_RANDOM,
    ),
    "rho": ("ρ, the commutator's part across it", paper.RHO),
    "alignment_over_random": ("cosine of step and commutator over that of a random direction", None),
}
"""Quantities over seeds, with their titles."""


def geometry_tables(numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every table by its file name."""
    runs = at(numbers, "geometry")
    if not runs:
        return {name: not_run(COMMAND) for name in ("geometry", "leads", "defect-growth")}
    return {"geometry": _geometry(runs), "leads": _leads(runs, numbers["leads"]), "defect-growth": _growth(runs)}


def _geometry(runs: Mapping[str, Numbers]) -> pd.DataFrame:
    by_ops: dict[str, list[Numbers]] = {}
    for found in runs.values():
        by_ops.setdefault(found["ops"], []).append(found)
    return pd.DataFrame(
        [
            compared({"operation": ops, "quantity": title}, reported, asdict(estimate([one[name] for one in found])))
            for ops, found in by_ops.items()
            for name, (title, reported) in REPORTED.items()
        ]
    )


def _leads(runs: Mapping[str, Numbers], tests: Numbers) -> pd.DataFrame:
    """A row per run, and one for each kind of run with the sign test."""
    rows = [
        {
            "runs": run,
            "onset": _step(found["onset"]),
            f"accuracy {paper.LEAD_ACCURACY}": _step(found["accurate_step"]),
            **_of_lead(found["lead"], found.get("reason")),
            "sign test": "–",
        }
        for run, found in runs.items()
    ]
    for kind, test in tests.items():
        lead = _of_lead(test["mean"], "no run has a lead")
        p_value = f"{test['positive']} of {test['n']} positive, p = {number(test['p_value'])}" if test["n"] else "–"
        rows.append({"runs": kind.replace("_", " "), **lead, "n": test["n"], "sign test": p_value})
    return pd.DataFrame(rows).fillna("–")


def _of_lead(lead: float | int | None, reason: str | None) -> dict[str, Any]:
    row = compared({}, paper.LEAD, lead)
    return {"paper: lead": row["paper"], "ours: lead": row["ours"], "n": row["n"], "verdict": _or(row, lead, reason)}


def _or(row: Mapping[str, Any], value: float | int | None, reason: str | None) -> Any:
    return row["verdict"] if value is not None else reason


def _growth(runs: Mapping[str, Numbers]) -> pd.DataFrame:
    """Runs that reach the accuracy against those that do not."""
    rows = []
    for run, found in sorted(runs.items(), key=lambda item: item[1]["accurate_step"] is None):
        groks = found["accurate_step"] is not None
        reported = paper.DEFECT_GROWTH if groks else paper.DEFECT_GROWTH_WITHOUT_GROKKING
        row = compared({"run": run, "groks": "yes" if groks else "no"}, reported, found["defect_growth"])
        rows.append({name: value for name, value in row.items() if name != "independent"})
    return pd.DataFrame(rows)


def _step(step: int | None) -> str:
    return "–" if step is None else f"{step:,}"
