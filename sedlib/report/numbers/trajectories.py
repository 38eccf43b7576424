"""A run's trajectory in a few numbers: how straight it is, when its curvature rises, and how long before grokking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sedlib.leads import ACCURACY, ONSET_DEFECT, ONSET_GROWTH, accurate_step, growth, onset, sign_test
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.results import RunFolder
from sedlib.report.numbers.seeds import estimate
from sedlib.terms.tables.curvature_table import BASIS, CURVATURE, TRAJECTORY_BASIS, WEIGHTS_BASIS
from sedlib.terms.tables.trajectory_tables import TRAJECTORY, TRAJECTORY_WINDOWS

TABLES = (TRAJECTORY, TRAJECTORY_WINDOWS, CURVATURE)
MEMORISED, NOT_YET = 0.95, 0.3
"""Accuracies between which a run has memorised: at least the first in training, and less than the second beside it."""


@dataclass(frozen=True)
class Geometry:
    """Tables of one run as the stages trajectory and curvature wrote them."""

    trajectory: pd.DataFrame
    trajectory_windows: pd.DataFrame
    curvature: pd.DataFrame
    """Shares in the execution basis."""
    in_weights: pd.DataFrame
    """The same measurements, with shares in the singular directions of the weights."""

    @classmethod
    def load(cls, folder: RunFolder) -> "Geometry":
        """Read the tables in ``folder``.

        Raises
        ------
        UserError
            One is missing, damaged, or of another run; the message names the file and the remedy.
        """
        tables = {schema.name: folder.read(schema) for schema in TABLES}
        measured = tables.pop(CURVATURE.name)
        return cls(**tables, curvature=in_basis(measured), in_weights=in_basis(measured, WEIGHTS_BASIS))

    @staticmethod
    def is_there(folder: RunFolder) -> bool:
        """Whether both stages have run."""
        return all((folder.path / f"{schema.name}.csv").exists() for schema in TABLES)


def in_basis(curvature: pd.DataFrame, basis: str = TRAJECTORY_BASIS) -> pd.DataFrame:
    """Rows of curvature.csv for one basis, one row for each measurement."""
    return curvature[curvature[BASIS] == basis].drop(columns=BASIS).reset_index(drop=True)


def geometry_numbers(found: Geometry, training: pd.DataFrame) -> dict[str, Any]:
    """The run's numbers; onset, accurate step and lead are None where there is none, with a reason.

    The lead is the accurate step minus the onset. Shares and alignment are relative to those of a random subspace and
    direction, and are medians over measurements. Shares in the weights' singular directions have one median before the
    accurate step, one from it on, and one while the run has memorised and does not generalise yet.
    """
    curvature, percent = found.curvature, found.trajectory["pc1_percent"]
    steps, defects = (curvature[name].to_numpy() for name in ("step", "defect"))
    began = onset(steps, defects)
    accuracy, accurate = _worst_operation(training), run_accurate_step(training)
    reasons = [
        *([f"no defect above {ONSET_DEFECT:g} and {ONSET_GROWTH:g} times the first ones"] if began is None else []),
        *([f"test accuracy reached {accuracy.max():.3f}, not {ACCURACY}"] if accurate is None else []),
    ]
    return {
        "pc1_min": float(percent.min()),
        "pc1_max": float(percent.max()),
        "z_min": float(found.trajectory["z"].min()),
        "defect_growth": growth(defects),
        "onset": began,
        "accurate_step": accurate,
        "lead": None if began is None or accurate is None else accurate - began,
        "share_over_random": _median(_over_random(curvature)),
        **_in_weights(found.in_weights, accurate),
        "weights_share_memorised": _median(_over_random(found.in_weights)[memorised(found.in_weights, training)]),
        "rho": float(curvature["rho"].median()),
        "alignment_over_random": float((curvature["alignment"] / curvature["expected_alignment"]).median()),
        **({"reason": "; ".join(reasons)} if reasons else {}),
    }


def run_accurate_step(training: pd.DataFrame) -> int | None:
    """First checkpoint at which every operation's test accuracy is at least 90 %; None if there is none."""
    accuracy = _worst_operation(training)
    return accurate_step(accuracy.index.to_numpy(), accuracy.to_numpy())


def memorised(measured: pd.DataFrame, training: pd.DataFrame) -> "pd.Series[bool]":
    """Which measurements are of a network that knows its training pairs, at least 95 %, and few others, below 30 %.

    None is known to be, where training accuracies were not recorded.
    """
    if "train_accuracy" not in training:
        return pd.Series(False, index=measured.index)
    worst, best = (training.groupby("step").agg(end) for end in ("min", "max"))
    steps = worst.index[(worst["train_accuracy"] >= MEMORISED) & (best["test_accuracy"] < NOT_YET)]
    return measured["step"].isin(steps)


def _worst_operation(training: pd.DataFrame) -> "pd.Series[float]":
    return training.groupby("step")["test_accuracy"].min()


def _in_weights(in_weights: pd.DataFrame, accurate: int | None) -> dict[str, float | None]:
    """Shares before and after the accurate step; a run without one has all its measurements before it."""
    over_random, before = _over_random(in_weights), in_weights["step"] < (np.inf if accurate is None else accurate)
    return {
        "weights_share_before": _median(over_random[before]),
        "weights_share_after": _median(over_random[~before]),
        "weights_share_over_random": _median(over_random),
    }


def _over_random(curvature: pd.DataFrame) -> "pd.Series[float]":
    return curvature["share"].astype(float) / curvature["expected_share"].astype(float)


def _median(values: "pd.Series[float]") -> float | None:
    return None if values.dropna().empty else float(values.median())


def lead_numbers(leads: Mapping[str, int | None], accurate: Mapping[str, int | None]) -> dict[str, Any]:
    """How many runs have a lead, how many a positive one, mean with its interval over runs, and sign test.

    Runs without a lead are named.

    ``missed`` is how many have no onset although they have an ``accurate`` step: a lead that the defect did not give.
    """
    there = np.array([lead for lead in leads.values() if lead is not None], dtype=float)
    without = [run for run, lead in leads.items() if lead is None]
    mean = estimate(sorted(there.tolist())) if len(there) else None
    return {
        "positive": int((there > 0).sum()),
        "n": len(there),
        "missed": sum(accurate[run] is not None for run in without),
        "mean": mean.mean if mean else None,
        "low": mean.low if mean else None,
        "high": mean.high if mean else None,
        "p_value": sign_test(there) if len(there) else None,
        **({"reason": f"no lead: {', '.join(without)}"} if without else {}),
    }


def false_alarms(controls: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How many of the controls that never reach the accuracy have an onset; controls that reach it are named."""
    never = {run: found for run, found in controls.items() if found["accurate_step"] is None}
    accurate = [run for run in controls if run not in never]
    return {
        "false_alarms": sum(found["onset"] is not None for found in never.values()),
        "gap_false_alarms": sum(found["gap_onset"] is not None for found in never.values()),
        "n": len(never),
        **({"reason": f"accurate: {', '.join(accurate)}"} if accurate else {}),
    }


def as_text(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """The numbers of some runs as a table for a terminal, and what their leads say."""
    columns = {
        "PC1 % min": "pc1_min",
        "max": "pc1_max",
        "z min": "z_min",
        "defect growth": "defect_growth",
        "onset": "onset",
        f"accuracy {ACCURACY}": "accurate_step",
        "lead": "lead",
        "share / random": "share_over_random",
        "ρ": "rho",
        "alignment / random": "alignment_over_random",
    }
    rows = [
        {"run": run, **{title: _short(found[key]) for title, key in columns.items()}} for run, found in runs.items()
    ]
    lines = [pd.DataFrame(rows).to_string(index=False)]
    lines += [f"{run}: {found['reason']}" for run, found in runs.items() if "reason" in found]
    accurate = {run: found["accurate_step"] for run, found in runs.items()}
    leads = lead_numbers({run: found["lead"] for run, found in runs.items()}, accurate)
    if leads["n"]:
        lines.append(
            f"leads: {leads['positive']} of {leads['n']} positive, mean {number(leads['mean'])} steps, "
            f"sign test p = {number(leads['p_value'])}"
        )
    return "\n".join(lines)


def _short(value: float | int | None) -> str:
    if value is None or pd.isna(value):
        return NOTHING
    return number(value, digits=4)
