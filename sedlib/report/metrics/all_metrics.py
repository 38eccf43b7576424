"""The numbers of the report, nested and stable: reports/metrics.json.

A number over seeds is ``{"mean", "low", "high", "n", "<seed>": …}``; the interval is null for fewer than three seeds.
What does not exist, such as the grok step of a run that never groks, is null with a ``reason`` beside it.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from sedlib.report.metrics.cell_metrics import of_conditions, rank_sweep, without_weight_decay
from sedlib.report.metrics.curves_of_runs import gradient_alone, longest_window, update_of
from sedlib.report.metrics.derived import derived
from sedlib.report.metrics.null_numbers import over_permuted
from sedlib.report.metrics.rounding import Metrics, cut, over_seeds
from sedlib.report.metrics.run_metrics import of_runs
from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.paper_seeds import first_and_fresh
from sedlib.report.numbers.phases import centroid_definitions, estimators
from sedlib.terms.stream_names import gradient_of


def metrics(found: Collection) -> Metrics:
    """All numbers of what was run."""
    first, fresh = first_and_fresh(found)
    numbers = {
        **of_runs(first),
        "interventions": of_conditions(found.cells),
        "rank_sweep": rank_sweep(found.cells),
        "weight_decay_0": without_weight_decay(found.cells),
        "ablation": _ablation(found.ablations),
        "single_step": _single_step(first),
        "centroids": _centroids(first),
        "permuted": over_permuted(first),
        "controls": {run: _control(found, run) for run in found.controls},
        "fresh": of_runs(fresh),
    }
    return numbers | {"derived": derived(numbers)}


def _ablation(tables: Mapping[str, pd.DataFrame]) -> Metrics:
    """Means over the runs and operations that were ablated."""
    if not tables:
        return {}
    together = pd.concat(tables.values())
    result: Metrics = {}
    for (axis, value), rows in together.groupby(["axis", "value"], sort=False):
        numbers: Metrics = {name: cut(rows[name].mean()) for name in ("peak", "final", "plateau", "r1_peak")}
        if numbers["plateau"] is None:
            numbers["reason"] = "no plateau: never grokked"
        result.setdefault(str(axis), {})[str(value)] = {**numbers, "n": len(rows)}
    return result


def _single_step(found: Collection) -> Metrics:
    """Means over the runs of one operation, controls apart."""
    counted = found.counted("single_task")
    rows = [estimators(*pair) for run, pair in found.single_steps.items() if run in counted]
    if not rows:
        return {}
    names = ("per-example", "mean-gradient", "window", "cosine")
    return {
        str(phase): {
            **_over_runs(group, names),
            "n": len(group),
            **({"reason": "no whole window"} if group.get("window", pd.Series()).isna().all() else {}),
        }
        for phase, group in pd.concat(rows).groupby("phase", sort=False)
    }


def _centroids(found: Collection) -> Metrics:
    """Means over the runs of one operation whose single checkpoints were measured, controls apart."""
    counted = found.counted("single_task")
    rows = [
        centroid_definitions(found.runs[run].centroids, pair[0])
        for run, pair in found.single_steps.items()
        if run in counted
    ]
    if not rows:
        return {}
    columns = [str(column) for column in pd.concat(rows) if column not in ("phase", "step", "op")]
    return {
        str(phase): {
            **_over_runs(group, columns),
            "n": len(group),
            **({"reason": "no whole window"} if group["window_logit"].isna().all() else {}),
        }
        for phase, group in pd.concat(rows).groupby("phase", sort=False)
    }


def _over_runs(rows: pd.DataFrame, columns: Sequence[str]) -> Metrics:
    """Means over runs, each with the ends of its interval; null where no run has the number."""
    numbers: Metrics = {}
    for column in columns:
        name, found = column.replace("-", "_"), over_seeds(dict(enumerate(rows.get(column, ()))))
        numbers |= {name: found["mean"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    return numbers


def _control(found: Collection, run: str) -> Metrics:
    """Grok step and peaks of each of the run's operations."""
    streams = {"update_peak": update_of, "gradient_peak": gradient_of}
    return {
        "experiment": found.controls[run],
        **{
            op: {
                "grok_step": numbers["grok_step"],
                **{name: cut(longest_window(numbers, of_op(op))["peak"]) for name, of_op in streams.items()},
                "w1_peak": cut(gradient_alone(numbers, op)["peak"]),
                **({"reason": numbers["reason"]} if "reason" in numbers else {}),
            }
            for op, numbers in found.summaries[run]["ops"].items()
        },
    }
