"""The paper's Tables 1 to 5 and the new ones: paper | ours | n | verdict, from the numbers in metrics.json alone."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report import paper
from sedlib.report.ladder import RUNGS
from sedlib.report.paper import Reported, exactly, number
from sedlib.report.seeds import Estimate
from sedlib.report.verdicts import verdict

Numbers = Mapping[str, Any]
OPS = ("add", "sub", "mul", "sq")
PHASES = ("init", "mid", "after")
CONDITIONS = (
    "control",
    "remove-sed",
    "remove-sed-raw",
    "keep-sed",
    "keep-sed-raw",
    "remove-random",
    "keep-random",
    "freeze",
)


def tables(numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every table by its file name; one whose stages were not run says so row by row."""
    return {
        "table1-single-task": _single_task(numbers),
        "table2-ablations": _ablations(numbers),
        "table3-single-checkpoint": _single_checkpoint(numbers),
        "table4-update-projection": _interventions(numbers, "update"),
        "table5-gradient-projection": _interventions(numbers, "gradient"),
        "multitask": _multitask(numbers),
        "ladder": _ladder(numbers),
        "rank-curve": _rank_curve(numbers),
        "weight-decay-0": _without_weight_decay(numbers),
        "centroids": _centroids(numbers),
    }


def estimated(numbers: Numbers | None) -> Estimate | None:
    """A number over seeds as metrics.json has it."""
    if not numbers:
        return None
    mean, low, high = (None if numbers[key] is None else float(numbers[key]) for key in ("mean", "low", "high"))
    return None if mean is None else Estimate(mean, low, high, numbers["n"])


def at(numbers: Numbers, *keys: str) -> Any:
    """The value under nested keys; None where one is missing."""
    for key in keys:
        if not isinstance(numbers, Mapping) or key not in numbers:
            return None
        numbers = numbers[key]
    return numbers


def shown(estimate: Estimate | None, reason: str | None = None) -> str:
    """An estimate for a table, without its n, which has a column of its own."""
    if estimate is None:
        return reason or "–"
    if estimate.low is None or estimate.high is None:
        return number(estimate.mean)
    return f"{number(estimate.mean)} [{number(estimate.low)}, {number(estimate.high)}]"


def _row(labels: Mapping[str, str], reported: Reported | None, numbers: Any, reference: float | int) -> dict[str, Any]:
    """``numbers`` is a number over seeds, a plain number, or None."""
    if numbers is None or isinstance(numbers, Mapping):
        ours, reason = estimated(numbers), at(numbers or {}, "reason")
    else:
        ours, reason = Estimate(float(numbers), None, None, 1), None
    said = reason if ours is None and reason else verdict(ours, reported, reference)
    return {
        **labels,
        "paper": "–" if reported is None else str(reported),
        "ours": shown(ours),
        "n": ours.n if ours else 0,
        "verdict": said,
    }


def _single_task(numbers: Numbers) -> pd.DataFrame:
    rows = []
    for op in OPS:
        found = at(numbers, "single_task", op) or {}
        reported: dict[str, tuple[Reported | None, float]] = {
            "grok_step": (None, 0),
            "update_peak": (exactly(paper.UPDATE_PEAK[op], "Table 1"), 1),
            "update_final": (exactly(paper.UPDATE_FINAL[op], "Table 1"), 1),
            "update_plateau": (None, 1),
            "gradient_peak": (paper.by_seed(paper.GRADIENT_PEAK[op], "Table 1"), 1),
            "gradient_final": (None, 1),
            "gradient_plateau": (None, 1),
            "w1_peak": (exactly(paper.R1_BY_WINDOW[1], "Table 2") if op == "add" else None, 1),
            "w1_plateau": (None, 1),
        }
        for quantity, (value, reference) in reported.items():
            labels = {"operation": op, "quantity": quantity.replace("_", " ")}
            rows.append(_row(labels, value, found.get(quantity), reference))
    return pd.DataFrame(rows)


def _ablations(numbers: Numbers) -> pd.DataFrame:
    """The paper gives R_1's peak; plateau, peak and final of R̄ stand beside it."""
    reported = {
        **{("window", str(window)): exactly(value, "Table 2") for window, value in paper.R1_BY_WINDOW.items()},
        **{("epsilon", str(epsilon)): exactly(value, "Table 2") for epsilon, value in paper.R1_BY_EPSILON.items()},
    }
    rows = []
    for axis, values in (at(numbers, "ablation") or {}).items():
        for value, found in values.items():
            labels = {"axis": axis, "value": value}
            row = _row({**labels, "quantity": "R₁ peak"}, reported.get((axis, value)), found["r1_peak"], 1)
            means = {
                f"R̄ {name}": number(found[name]) for name in ("plateau", "peak", "final") if found[name] is not None
            }
            rows.append({**row, **means})
    return pd.DataFrame(rows) if rows else _nothing("dvc repro ablate")


def _single_checkpoint(numbers: Numbers) -> pd.DataFrame:
    rows = []
    for phase in PHASES:
        found = at(numbers, "single_step", phase) or {}
        values: dict[str, tuple[Reported | None, float]] = {
            "per_example": (exactly(paper.PER_EXAMPLE[phase], "Table 3"), 1),
            "mean_gradient": (None, 1),
            "w20": (None, 1),
            "cosine": (paper.PER_EXAMPLE_COSINE, 0),
        }
        for quantity, (value, reference) in values.items():
            row = _row({"phase": phase, "quantity": quantity}, value, found.get(quantity), reference)
            if row["n"]:
                row["n"] = found["n"]
            elif found:
                row["verdict"] = "no whole window"
            rows.append(row)
    return pd.DataFrame(rows)


def _interventions(numbers: Numbers, projection: str) -> pd.DataFrame:
    """Grok steps and speed-ups over the control; the verdict is on the speed-up, 1 being no effect."""
    rows = []
    for op in ("add", "mul"):
        for condition in CONDITIONS:
            found = at(numbers, "interventions", projection, op, condition) or {}
            steps = paper.GROK_STEPS.get((projection, op, condition))
            speedup = found.get("speedup")
            reported = paper.speedup(projection, op, condition)
            row = _row({"operation": op, "condition": condition}, reported, speedup, 1)
            rows.append(
                {
                    "operation": op,
                    "condition": condition,
                    "paper: steps": "–" if steps is None else " / ".join(map(str, steps)),
                    "ours: steps": shown(estimated(found), found.get("reason")),
                    "n": found.get("n", 0),
                    "paper: speed-up": row["paper"],
                    "ours: speed-up": row["ours"],
                    "verdict": "reference" if condition == "control" and found else row["verdict"],
                }
            )
    return pd.DataFrame(rows)


def _multitask(numbers: Numbers) -> pd.DataFrame:
    rows = []
    for op in OPS:
        found = at(numbers, "multitask", op) or {}
        reported: dict[str, tuple[Reported | None, float]] = {
            "grok_step": (None, 0),
            "update_plateau": (paper.MULTITASK_UPDATE, 1),
            "update_peak": (paper.MULTITASK_UPDATE, 1),
            "update_final": (paper.MULTITASK_UPDATE, 1),
            "per_op_peak": (paper.MULTITASK_PER_OP, 1),
            "per_op_final": (paper.MULTITASK_PER_OP, 1),
            "aggregate_peak": (None, 1),
            "aggregate_final": (None, 1),
            "w1_peak": (None, 1),
            "w1_final": (None, 1),
        }
        for quantity, (value, reference) in reported.items():
            labels = {"operation": op, "quantity": quantity.replace("_", " ")}
            rows.append(_row(labels, value, found.get(quantity), reference))
    return pd.DataFrame(rows)


def _ladder(numbers: Numbers) -> pd.DataFrame:
    """Mean R̄ before grokking on each rung, a column per run."""
    runs = at(numbers, "ladder") or {}
    rows = []
    for rung, label in RUNGS.items():
        row = {"rung": label.replace("-\n", "").replace("\n", " ")}
        for run, streams in runs.items():
            own = [name for name in streams if name.startswith("gradient/") and name != "gradient/total"]
            names = own if rung == "gradient" else [rung]
            means = [streams[name]["mean_before_grok"] for name in names if name in streams]
            there = [mean for mean in means if mean is not None]
            row[run] = number(sum(there) / len(there)) if there else "–"
        rows.append(row)
    return pd.DataFrame(rows) if runs else _nothing("dvc repro figures")


def _rank_curve(numbers: Numbers) -> pd.DataFrame:
    found = at(numbers, "rank_sweep") or {}
    rows = [
        {
            "coordinates kept": f"{int(coordinates):,}",
            "grok step": values.get("reason") or number(values["grok_step"]),
            "speed-up": "–" if values["speedup"] is None else number(values["speedup"]),
        }
        for coordinates, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else _nothing("dvc repro intervene_rank")


def _without_weight_decay(numbers: Numbers) -> pd.DataFrame:
    found = at(numbers, "weight_decay_0") or {}
    rows = [
        {
            "condition": condition,
            "paper": "never within 8000 steps" if condition in ("control", "keep-sed", "keep-random") else "–",
            "ours": values.get("reason") or f"groks at {number(values['grok_step'])}",
        }
        for condition, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else _nothing("dvc repro intervene_without_weight_decay")


def _centroids(numbers: Numbers) -> pd.DataFrame:
    rows = []
    for phase in PHASES:
        found = at(numbers, "centroids", phase) or {}
        logit, full = paper.RANK90[phase]
        reported = {
            "rank90_logit": exactly(logit, "limitations"),
            "rank90_full": exactly(full, "limitations"),
        }
        for quantity in (*reported, "row_cosine", "top1_cosine", "top3_cosine", "window_logit", "window_full"):
            rows.append(_row({"phase": phase, "quantity": quantity}, reported.get(quantity), found.get(quantity), 0))
    return pd.DataFrame(rows)


def _nothing(command: str) -> pd.DataFrame:
    return pd.DataFrame([{"verdict": "not run", "command": command}])
