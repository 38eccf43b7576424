"""The numbers of the report, nested and stable: reports/metrics.json.

A number over seeds is ``{"mean", "low", "high", "n", "<seed>": …}``; the interval is null for fewer than three seeds.
What does not exist, such as the grok step of a run that never groks, is null with a ``reason`` beside it.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.derived import derived
from sedlib.report.numbers.gap_onsets import gap_numbers, how_often_first
from sedlib.report.numbers.phases import centroid_definitions, estimators
from sedlib.report.numbers.rounding import Metrics, cut, over_seeds
from sedlib.report.numbers.rungs import ladder
from sedlib.report.numbers.seeds import experiment, require_different_seeds
from sedlib.report.numbers.trajectories import false_alarms, geometry_numbers, lead_numbers
from sedlib.report.tabled.fresh_seeds import by_seeds


def metrics(found: Collection) -> Metrics:
    """All numbers of what was run."""
    first, fresh = by_seeds(found)
    numbers = {
        **_of_runs(first),
        "interventions": _interventions(found.cells),
        "rank_sweep": _rank_sweep(found.cells),
        "weight_decay_0": _without_weight_decay(found.cells),
        "ablation": _ablation(found.ablations),
        "single_step": _single_step(found),
        "centroids": _centroids(found),
        "controls": {run: _control(found, run) for run in found.controls},
        "fresh": _of_runs(fresh),
    }
    return numbers | {"derived": derived(numbers)}


def _of_runs(found: Collection) -> Metrics:
    return {
        "single_task": _by_operation(found.of(several=False), {"gradient": "gradient/{op}", "update": "update"}),
        "multitask": _by_operation(
            found.of(several=True),
            {"per_op": "gradient/{op}", "aggregate": "gradient/total", "update": "update"},
        ),
        "ladder": {run: _ladder(found, run) for run in found.runs},
        "geometry": {run: _geometry(found, run) for run in found.geometry},
        "leads": _leads(found),
    }


def _by_operation(summaries: Mapping[str, Mapping[str, Any]], streams: Mapping[str, str]) -> Metrics:
    require_different_seeds(summaries)
    by_op: dict[str, dict[int, Mapping[str, Any]]] = {}
    for summary in summaries.values():
        for op, numbers in summary["ops"].items():
            by_op.setdefault(op, {})[summary["seed"]] = numbers
    return {
        op: {
            "grok_step": over_seeds({seed: numbers["grok_step"] for seed, numbers in by_seed.items()}),
            **{
                f"{name}_{quantity}": over_seeds(
                    {seed: _longest(numbers, stream.format(op=op))[quantity] for seed, numbers in by_seed.items()},
                    "no whole window before a grok step",
                )
                for name, stream in streams.items()
                for quantity in ("peak", "final", "plateau")
            },
            **{
                f"w1_{quantity}": over_seeds(
                    {seed: numbers["streams"][f"gradient/{op} W=1"][quantity] for seed, numbers in by_seed.items()}
                )
                for quantity in ("peak", "final", "plateau")
            },
        }
        for op, by_seed in sorted(by_op.items())
    }


def _longest(numbers: Mapping[str, Any], stream: str) -> Mapping[str, Any]:
    """The stream's numbers for its longest window."""
    windows = {int(key.rpartition("W=")[2]): key for key in numbers["streams"] if key.startswith(f"{stream} W=")}
    found: Mapping[str, Any] = numbers["streams"][windows[max(windows)]]
    return found


def _interventions(cells: pd.DataFrame | None) -> Metrics:
    if cells is None:
        return {}
    plain = cells[cells["coordinates"].isna() & cells["weight_decay"].isna()]
    result: Metrics = {}
    for op, of_op in plain.groupby("op"):
        control = _by_seed(of_op[of_op["condition"] == "control"])
        for projection in ("update", "gradient"):
            rows = of_op[of_op["projection"] == projection]
            steps = {str(condition): _by_seed(group) for condition, group in rows.groupby("condition")}
            passed = {"control": 1} | rows.groupby("condition")["passed"].mean().to_dict()
            result.setdefault(str(projection), {})[str(op)] = {
                condition: {
                    **over_seeds(by_seed),
                    **_speedup(control, by_seed),
                    "passed": cut(passed[condition]),
                }
                for condition, by_seed in {"control": control, **steps}.items()
            }
    return result


def _speedup(control: Mapping[int, float | int | None], steps: Mapping[int, float | int | None]) -> Metrics:
    """Mean over seeds of the control's grok step over the condition's, and how many seeds have both."""
    found = over_seeds({seed: _ratio(control.get(seed), step) for seed, step in steps.items()})
    names = {"mean": "speedup", "low": "speedup_low", "high": "speedup_high", "n": "speedup_n"}
    return {name: found[key] for key, name in names.items()}


def _by_seed(cells: pd.DataFrame) -> dict[int, float | int | None]:
    return {int(row["seed"]): row["grok_step"] for row in cells.to_dict("records")}


def _rank_sweep(cells: pd.DataFrame | None) -> Metrics:
    if cells is None:
        return {}
    controls = cells[(cells["condition"] == "control") & cells["weight_decay"].isna()]
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


def _without_weight_decay(cells: pd.DataFrame | None) -> Metrics:
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


def _ladder(found: Collection, run: str) -> Metrics:
    """Means over the operations on which a stream is measured; the longest window."""
    table = ladder(found.runs[run], found.expected.grok_threshold)
    table = table[table["window"] == table["window"].max()]
    return {
        str(stream): {
            "mean_before_grok": cut(rows["mean"].mean()),
            "peak": cut(rows["peak"].mean()),
            **({"reason": "never grokked"} if rows["mean"].isna().all() else {}),
        }
        for stream, rows in table.groupby("stream", sort=False)
    }


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
    rows = [estimators(*pair) for run, pair in found.single_steps.items() if _counts(found, run)]
    if not rows:
        return {}
    names = {"per-example": "per_example", "mean-gradient": "mean_gradient", "window": "w20", "cosine": "cosine"}
    return {
        str(phase): {
            **{key: cut(group[column].mean()) if column in group else None for column, key in names.items()},
            "n": len(group),
            **({"reason": "no whole window"} if group.get("window", pd.Series()).isna().all() else {}),
        }
        for phase, group in pd.concat(rows).groupby("phase", sort=False)
    }


def _centroids(found: Collection) -> Metrics:
    """Means over the runs of one operation whose single checkpoints were measured, controls apart."""
    rows = [
        centroid_definitions(found.runs[run].centroids, pair[0])
        for run, pair in found.single_steps.items()
        if _counts(found, run)
    ]
    if not rows:
        return {}
    columns = [str(column) for column in pd.concat(rows) if column not in ("phase", "step", "op")]
    return {
        str(phase): {
            **{column.replace("-", "_"): cut(group[column].mean()) for column in columns},
            "n": len(group),
            **({"reason": "no whole window"} if group["window_logit"].isna().all() else {}),
        }
        for phase, group in pd.concat(rows).groupby("phase", sort=False)
    }


def _control(found: Collection, run: str) -> Metrics:
    """Grok step and peaks of each of the run's operations."""
    streams = {"update_peak": "update", "gradient_peak": "gradient/{op}"}
    return {
        "experiment": found.controls[run],
        **{
            op: {
                "grok_step": numbers["grok_step"],
                **{name: cut(_longest(numbers, stream.format(op=op))["peak"]) for name, stream in streams.items()},
                "w1_peak": cut(numbers["streams"][f"gradient/{op} W=1"]["peak"]),
                **({"reason": numbers["reason"]} if "reason" in numbers else {}),
            }
            for op, numbers in found.summaries[run]["ops"].items()
        },
    }


def _geometry(found: Collection, run: str) -> Metrics:
    summary = found.summaries[run]
    named = {"experiment": experiment(summary), "ops": "+".join(summary["ops"]), "seed": summary["seed"]}
    return named | _cut_all(_of_trajectory(found, run))


def _of_trajectory(found: Collection, run: str) -> Metrics:
    """Both alarms of a run, and the rest of its geometry."""
    geometry, results = found.geometry[run], found.runs[run]
    numbers = geometry_numbers(geometry, results.training)
    return numbers | gap_numbers(results.spectra, geometry.curvature, numbers["accurate_step"])


def _leads(found: Collection) -> Metrics:
    """Sign tests, of the runs of one operation and of those of several apart: their leads are not of one kind.

    The controls have false alarms in their place.
    """
    result: Metrics = {}
    by_run = {run: _of_trajectory(found, run) for run in found.geometry}
    for kind, several in (("single_task", False), ("multitask", True)):
        runs = [run for run in found.of(several=several) if run in by_run and run not in found.controls]
        if runs:
            gap = lead_numbers({run: by_run[run]["gap_lead"] for run in runs})
            gap |= how_often_first(by_run[run]["first_onset"] for run in runs)
            result[kind] = _cut_all(lead_numbers({run: by_run[run]["lead"] for run in runs})) | {"gap": _cut_all(gap)}
    controls = {run: by_run[run] for run in found.controls if run in by_run}
    return result | ({"controls": false_alarms(controls)} if controls else {})


def _counts(found: Collection, run: str) -> bool:
    return run in found.of(several=False) and run not in found.controls


def _ratio(control: float | int | None, step: float | int | None) -> float | None:
    if control is None or step is None or pd.isna(control) or pd.isna(step):
        return None
    return float(control) / float(step)


def _cut_all(numbers: Mapping[str, Any]) -> Metrics:
    return {key: value if isinstance(value, str) else cut(value) for key, value in numbers.items()}
