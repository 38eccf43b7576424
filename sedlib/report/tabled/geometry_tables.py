"""The companion paper's tables (arXiv 2602.16746): paper | here | n | verdict, from metrics.json alone."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from sedlib.leads import ACCURACY
from sedlib.report.claims.companion_claims import lead_verdict
from sedlib.report.metrics.reading import Numbers, nested, of_leads
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.gap_onsets import FIRST
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import estimate
from sedlib.report.tabled.compared import compared, not_run

COMMAND = "dvc repro geometry/dvc.yaml"
REPORTED: dict[str, tuple[str, Reported | None]] = {
    "pc1_min": ("PC1 %, smallest of the attention matrices", paper.PC1_PERCENT),
    "pc1_max": ("PC1 %, largest of the attention matrices", paper.PC1_PERCENT),
    "z_min": ("z of PC1 % against random walks, smallest", paper.PC1_Z),
    "share_over_random": (
        "commutator's share in the execution basis / in a random subspace",
        paper.SHARE_OVER_RANDOM,
    ),
    "weights_share_before": (
        "commutator's share in the weights' singular directions / in a random subspace, before 90 % accuracy",
        paper.SHARE_OVER_RANDOM,
    ),
    "weights_share_after": (
        "commutator's share in the weights' singular directions / in a random subspace, from 90 % accuracy on",
        None,
    ),
    "rho": ("ρ, the commutator's share outside the execution basis", paper.RHO),
    "alignment_over_random": ("cosine of step and commutator / of random direction and commutator", None),
}
"""Quantities over seeds, with their titles."""


def geometry_tables(numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every table by its file name."""
    runs = nested(numbers, "geometry")
    if not runs:
        return {name: not_run(COMMAND) for name in ("geometry", "leads", "defect-growth", "gap-against-defect")}
    controls = nested(numbers, "controls") or {}
    return {
        "geometry": _geometry(runs, controls),
        "leads": _leads(runs, controls, numbers["leads"]),
        "defect-growth": _growth(runs),
        "gap-against-defect": _gaps(runs, numbers["leads"]),
    }


def _geometry(runs: Mapping[str, Numbers], controls: Numbers) -> pd.DataFrame:
    """Means over the seeds of an experiment; what the paper says of grokking runs is not held against a control."""
    experiments: dict[str, dict[str, Numbers]] = {}
    for run, found in runs.items():
        experiments.setdefault(found["experiment"], {})[run] = found
    return pd.DataFrame(
        [
            compared(
                {"operation": experiment, "quantity": title},
                None if set(by_run) & set(controls) else reported,
                asdict(estimate(values)),
            )
            for experiment, by_run in experiments.items()
            for name, (title, reported) in REPORTED.items()
            if (values := [found[name] for found in by_run.values() if found.get(name) is not None])
        ]
    )


def _leads(runs: Mapping[str, Numbers], controls: Numbers, tests: Numbers) -> pd.DataFrame:
    """A row per run, one for each kind of run with the sign test, and one for the controls with their false alarms."""
    rows = [
        {
            "runs": run,
            "onset": _step(found["onset"]),
            f"accuracy {ACCURACY}": _step(found["accurate_step"]),
            **_of_lead(found["lead"], _why(found, is_control=run in controls), _reported(found["ops"])),
            "sign test": NOTHING,
        }
        for run, found in runs.items()
    ]
    for kind, test in tests.items():
        if kind == "controls":
            alarms = f"{test['false_alarms']} of {test['n']}: false alarms"
            rows.append({"runs": kind, "onset": alarms, "n": test["n"], "verdict": test.get("reason", NOTHING)})
            continue
        rows.append({"runs": kind.replace("_", " "), **_of_kind(test, is_claimed=kind == "single_task")})
    return pd.DataFrame(rows).fillna(NOTHING)


def _why(found: Numbers, *, is_control: bool) -> str | None:
    """Why a run has no lead."""
    reason: str | None = found.get("reason")
    is_false = is_control and found["onset"] is not None and found["accurate_step"] is None
    return f"false alarm: {reason}" if is_false else reason


def _of_kind(test: Numbers, *, is_claimed: bool) -> dict[str, Any]:
    """The leads of one kind of run, judged as the claim on them is; the paper has none of several operations."""
    mean = of_leads(test)
    row = _of_lead(mean, "no run has a lead", paper.LEAD if is_claimed else None)
    if mean is None:
        return row
    p_value = f"{test['positive']} of {test['n']} positive, p = {number(test['p_value'])}"
    return {**row, "sign test": p_value} | ({"verdict": lead_verdict(test)} if is_claimed else {})


def _reported(ops: str) -> Reported | None:
    """The paper's leads, which are of runs of one operation."""
    return None if "+" in ops else paper.LEAD


def _of_lead(lead: Any, reason: str | None, reported: Reported | None) -> dict[str, Any]:
    row = compared({}, reported, lead)
    verdict = reason if lead is None else row["verdict"]
    return {"paper: lead": row["paper"], "here: lead": row["here"], "n": row["n"], "verdict": verdict}


def _growth(runs: Mapping[str, Numbers]) -> pd.DataFrame:
    """Runs that reach the accuracy against those that do not."""
    rows = []
    for run, found in sorted(runs.items(), key=lambda item: item[1]["accurate_step"] is None):
        groks = found["accurate_step"] is not None
        reported = paper.DEFECT_GROWTH if groks else paper.DEFECT_GROWTH_WITHOUT_GROKKING
        rows.append(compared({"run": run, "groks": "yes" if groks else "no"}, reported, found["defect_growth"]))
    return pd.DataFrame(rows)


def _gaps(runs: Mapping[str, Numbers], tests: Numbers) -> pd.DataFrame:
    """A row per run with both onsets on one axis, and one for each kind of run."""
    rows = [
        {
            "runs": run,
            "defect onset": _step(found["onset"]),
            "defect lead": _step(found["lead"]),
            "first gap": _step(found["gap_from"]),
            "gap onset": _step(found["gap_onset"]),
            "gap lead": _step(found["gap_lead"]),
            "σ₂/σ₃ peak": _step(found["gap_peak"]),
            "σ₂/σ₃ peak lead": _step(found["gap_peak_lead"]),
            f"accuracy {ACCURACY}": _step(found["accurate_step"]),
            "which first": found["first_onset"] or "neither",
        }
        for run, found in runs.items()
    ]
    for kind, test in tests.items():
        if kind == "controls":
            alarms = {"defect onset": test["false_alarms"], "gap onset": test["gap_false_alarms"]}
            rows.append({"runs": kind, **{name: f"{count} of {test['n']}" for name, count in alarms.items()}})
            continue
        means = {"defect lead": test["mean"], "gap lead": test["gap"]["mean"]}
        firsts = ", ".join(f"{name} {test['gap'][key]}" for key, name in FIRST.items())
        shown = {name: NOTHING if mean is None else f"mean {number(mean)}" for name, mean in means.items()}
        rows.append({"runs": kind.replace("_", " "), **shown, "which first": firsts})
    return pd.DataFrame(rows).fillna(NOTHING)


def _step(step: int | None) -> str:
    return NOTHING if step is None else number(step)
