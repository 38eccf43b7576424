"""Numbers of the interventions, as metrics.json has them."""

from collections.abc import Mapping

import pandas as pd

from sedlib.report.metrics.rounding import Metrics, cut, over_seeds
from sedlib.report.numbers.digits import quotient
from sedlib.terms.condition import CONTROL, PROJECTIONS


def of_conditions(cells: pd.DataFrame | None) -> Metrics:
    """By projection, operation and condition: grok steps over seeds, speed-up over the control, share passed.

    ``stop`` has the same of the steps at which the paper's scripts stop.
    """
    if cells is None:
        return {}
    plain = cells[cells["coordinates"].isna() & cells["weight_decay"].isna()]
    result: Metrics = {}
    for op, of_op in plain.groupby("op"):
        controls = of_op[of_op["condition"] == CONTROL.name]
        for projection in PROJECTIONS:
            rows = of_op[of_op["projection"] == projection]
            by_condition = {CONTROL.name: controls} | {str(name): group for name, group in rows.groupby("condition")}
            passed = {CONTROL.name: 1} | rows.groupby("condition")["passed"].mean().to_dict()
            result.setdefault(projection, {})[str(op)] = {
                condition: {
                    **_steps(controls, group, "grok_step"),
                    "passed": cut(passed[condition]),
                    "stop": _steps(controls, group, "stop_step"),
                }
                for condition, group in by_condition.items()
            }
    return result


def _steps(controls: pd.DataFrame, cells: pd.DataFrame, kind: str) -> Metrics:
    control, by_seed = _by_seed(controls, kind), _by_seed(cells, kind)
    return {**over_seeds(by_seed), **_speedup(control, by_seed)}


def _speedup(control: Mapping[int, float | int | None], steps: Mapping[int, float | int | None]) -> Metrics:
    """Mean over seeds of the control's grok step over the condition's, and how many seeds have both."""
    found = over_seeds({seed: _ratio(control.get(seed), step) for seed, step in steps.items()})
    names = {"mean": "speedup", "low": "speedup_low", "high": "speedup_high", "n": "speedup_n"}
    return {name: found[key] for key, name in names.items()}


def _by_seed(cells: pd.DataFrame, kind: str) -> dict[int, float | int | None]:
    return {int(row["seed"]): row[kind] for row in cells.to_dict("records")}


def rank_sweep(cells: pd.DataFrame | None) -> Metrics:
    """By the number of coordinates kept: grok step, speed-up over the control of the same run, share passed."""
    if cells is None:
        return {}
    controls = cells[(cells["condition"] == CONTROL.name) & cells["weight_decay"].isna()]
    by_run = {row["run"]: row["grok_step"] for row in controls.to_dict("records")}
    swept = cells[cells["coordinates"].notna()].sort_values("coordinates")
    return {
        str(coordinates): {
            **_step_or_reason(group),
            "speedup": over_seeds(
                {i: _ratio(by_run.get(row["run"]), row["grok_step"]) for i, row in enumerate(group.to_dict("records"))}
            )["mean"],
            "passed": cut(group["passed"].mean()),
        }
        for coordinates, group in swept.groupby("coordinates")
    }


def without_weight_decay(cells: pd.DataFrame | None) -> Metrics:
    """By condition, of the cells with weight decay 0: mean grok step, and how many grokked."""
    if cells is None:
        return {}
    found = cells[cells["weight_decay"] == 0]
    return {
        str(condition): {**_step_or_reason(group), "grokked": int(group["grok_step"].notna().sum()), "n": len(group)}
        for condition, group in found.groupby("condition")
    }


def _step_or_reason(cells: pd.DataFrame) -> Metrics:
    steps = cells["grok_step"].dropna()
    if len(steps) < len(cells):
        return {"grok_step": None, "reason": "; ".join(cells["outcome"][cells["grok_step"].isna()])}
    return {"grok_step": cut(float(steps.mean()))}


def _ratio(control: float | int | None, step: float | int | None) -> float | None:
    if control is None or step is None or pd.isna(control) or pd.isna(step):
        return None
    return quotient(float(control), float(step))
