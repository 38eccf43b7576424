"""The paper's Tables 1 to 5 and the new ones: paper | ours | n | verdict, from the numbers in metrics.json alone."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report.claims.verdicts import NOT_RUN, verdict
from sedlib.report.numbers import paper
from sedlib.report.numbers.cell_results import CONDITIONS
from sedlib.report.numbers.paper import Reported, exactly, number
from sedlib.report.numbers.rungs import RUNGS
from sedlib.report.numbers.seeds import Estimate

Numbers = Mapping[str, Any]
OPS = ("add", "sub", "mul", "sq")
PHASES = ("init", "mid", "after")


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
        "controls": _controls(numbers),
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


def compared(
    labels: Mapping[str, str], reported: Reported | None, numbers: Any, independent: Reported | None = None
) -> dict[str, Any]:
    """A row; ``numbers`` is a number over seeds, a plain number, or None; ``independent`` another implementation's."""
    if numbers is None or isinstance(numbers, Mapping):
        ours, reason = estimated(numbers), at(numbers or {}, "reason")
    else:
        ours, reason = Estimate(float(numbers), None, None, 1), None
    return {
        **labels,
        "paper": "–" if reported is None else str(reported),
        "independent": "–" if independent is None else str(independent),
        "ours": shown(ours) + (f" ({reason})" if ours and reason else ""),
        "n": ours.n if ours else 0,
        "verdict": reason if ours is None and reason else verdict(ours, reported),
    }


def not_controls(numbers: Numbers, by_run: Numbers) -> dict[str, Any]:
    """Of the numbers by run, those of the runs that the paper's claims are about."""
    return {run: found for run, found in by_run.items() if run not in (at(numbers, "controls") or {})}


def quantity_title(name: str) -> str:
    """A quantity of metrics.json in words."""
    return name.replace("_", " ").replace("w1", "W = 1").replace("w20", "window")


def _single_task(numbers: Numbers) -> pd.DataFrame:
    rows = []
    for op in OPS:
        found = at(numbers, "single_task", op) or {}
        reported: dict[str, Reported | None] = dict.fromkeys(
            ("grok_step", "update_peak", "update_final", "update_plateau", "gradient_peak", "gradient_final")
        )
        reported |= dict.fromkeys(("gradient_plateau", "w1_peak", "w1_plateau"))
        reported["update_peak"] = exactly(paper.UPDATE_PEAK[op], "Table 1")
        reported["update_final"] = exactly(paper.UPDATE_FINAL[op], "Table 1")
        reported["gradient_peak"] = paper.by_seed(paper.GRADIENT_PEAK[op], "Table 1")
        if op == "add":
            reported["update_peak"] = paper.UPDATE_PEAK_SEEDS
            reported["w1_peak"] = exactly(paper.R1_BY_WINDOW[1], "Table 2")
        for name, value in reported.items():
            labels = {"operation": op, "quantity": quantity_title(name)}
            rows.append(compared(labels, value, found.get(name), paper.INDEPENDENT_BANDS.get(name)))
    return pd.DataFrame(rows)


def _ablations(numbers: Numbers) -> pd.DataFrame:
    """The paper gives R_1's peak; plateau, peak and final of R̄ stand beside it."""
    usual = paper.R1_BY_WINDOW[20]
    about = Reported(
        usual * (1 - paper.RANK_AND_PROBE_SPREAD), usual * (1 + paper.RANK_AND_PROBE_SPREAD), "Table 2, about 5 %"
    )
    reported = {
        **{("window", str(window)): exactly(value, "Table 2") for window, value in paper.R1_BY_WINDOW.items()},
        **{("epsilon", str(epsilon)): exactly(value, "Table 2") for epsilon, value in paper.R1_BY_EPSILON.items()},
        **{("rank", str(rank)): about for rank in (1, 3, 5, 10)},
        **{("probe_seed", str(seed)): about for seed in (0, 1, 2)},
    }
    by_window = {str(window): exactly(value, "after grokking") for window, value in paper.INDEPENDENT_BY_WINDOW.items()}
    rows = []
    for axis, values in (at(numbers, "ablation") or {}).items():
        for value, found in values.items():
            independent = by_window.get(value) if axis == "window" else None
            labels = {"axis": axis, "value": value, "quantity": "R₁ peak"}
            row = compared(labels, reported.get((axis, value)), found["r1_peak"], independent)
            means = {name: found[name] for name in ("plateau", "peak", "final") if found[name] is not None}
            rows.append({**row, "n": found["n"], **{f"R̄ {name}": number(mean) for name, mean in means.items()}})
    return pd.DataFrame(rows) if rows else not_run("dvc repro ablate ablate_batch")


def _single_checkpoint(numbers: Numbers) -> pd.DataFrame:
    rows = []
    for phase in PHASES:
        found = at(numbers, "single_step", phase) or {}
        reported: dict[str, Reported | None] = {
            "per_example": exactly(paper.PER_EXAMPLE[phase], "Table 3"),
            "mean_gradient": None,
            "w20": None,
            "cosine": paper.PER_EXAMPLE_COSINE,
        }
        rows += [
            _of_phase(found, compared({"phase": phase, "quantity": quantity_title(name)}, value, found.get(name)))
            for name, value in reported.items()
        ]
    return pd.DataFrame(rows)


def _of_phase(found: Numbers, row: dict[str, Any]) -> dict[str, Any]:
    """A row of a phase that was measured: its number of runs, and why a number is not there."""
    if row["n"]:
        return {**row, "n": found["n"]}
    return {**row, "verdict": found.get("reason", NOT_RUN)}


def _interventions(numbers: Numbers, projection: str) -> pd.DataFrame:
    """Grok steps and speed-ups over the control; the verdict is on the speed-up, 1 being no effect."""
    rows = []
    run = at(numbers, "interventions", projection) or {}
    for op in ["add", "mul", *(op for op in run if op not in ("add", "mul"))]:
        for condition in CONDITIONS:
            found = at(run, op, condition) or {}
            steps = paper.GROK_STEPS.get((projection, op, condition))
            mean = paper.GROK_STEP_MEANS.get((projection, op), {}).get(condition)
            independent = paper.INDEPENDENT_GROK_STEPS.get((projection, condition)) if op == "add" else None
            row = compared({}, paper.speedup(projection, op, condition), sped_up(found))
            lacking = f" ({found['reason']})" if found.get("reason") and found["mean"] is not None else ""
            rows.append(
                {
                    "operation": op,
                    "condition": condition,
                    "paper: steps": "–" if steps is None else f"{mean:,.0f} ({', '.join(map(str, steps))})",
                    "independent: steps": "–" if independent is None else f"{independent:,}",
                    "ours: steps": shown(estimated(found), found.get("reason")) + lacking,
                    "paper: speed-up": row["paper"],
                    "ours: speed-up": row["ours"],
                    "n": row["n"],
                    "share that passes": "–" if found.get("passed") is None else number(found["passed"]),
                    "verdict": "reference" if condition == "control" and found else row["verdict"],
                }
            )
    return pd.DataFrame(rows)


def sped_up(found: Numbers) -> dict[str, Any] | None:
    """An intervention's speed-up as a number over seeds."""
    if found.get("speedup") is None:
        return None
    return {key: found[f"speedup_{key}"] for key in ("low", "high", "n")} | {"mean": found["speedup"]}


def _multitask(numbers: Numbers) -> pd.DataFrame:
    reported: dict[str, Reported | None] = {
        "grok_step": None,
        "update_plateau": paper.MULTITASK_UPDATE,
        "update_peak": paper.MULTITASK_UPDATE,
        "update_final": paper.MULTITASK_UPDATE,
        "per_op_peak": None,
        "per_op_final": paper.MULTITASK_PER_OP,
        "aggregate_peak": None,
        "aggregate_final": None,
        "w1_peak": None,
        "w1_final": None,
    }
    return pd.DataFrame(
        [
            compared(
                {"operation": op, "quantity": quantity_title(name)},
                value,
                at(numbers, "multitask", op, name),
                paper.INDEPENDENT_MULTITASK.get(name),
            )
            for op in OPS
            for name, value in reported.items()
        ]
    )


def rung_label(label: str) -> str:
    """A rung's label on one line."""
    return label.replace("-\n", "").replace("\n", " ")


def _ladder(numbers: Numbers) -> pd.DataFrame:
    """Mean R̄ before grokking on each rung, a column per run that is no control."""
    runs = not_controls(numbers, at(numbers, "ladder") or {})
    rows = []
    for rung, label in RUNGS.items():
        independent = paper.INDEPENDENT_LADDER.get(rung)
        row = {"rung": rung_label(label), "independent, add-42": number(independent) if independent else "–"}
        for run, streams in runs.items():
            own = [name for name in streams if name.startswith("gradient/") and name != "gradient/total"]
            names = own if rung == "gradient" else [rung]
            means = [streams[name]["mean_before_grok"] for name in names if name in streams]
            there = [mean for mean in means if mean is not None]
            row[run] = number(sum(there) / len(there)) if there else "–"
        rows.append(row)
    return pd.DataFrame(rows) if runs else not_run("dvc repro figures")


def _rank_curve(numbers: Numbers) -> pd.DataFrame:
    found = at(numbers, "rank_sweep") or {}
    rows = [
        {
            "coordinates kept": f"{int(coordinates):,}",
            "grok step": values.get("reason") or number(values["grok_step"]),
            "speed-up": "–" if values["speedup"] is None else number(values["speedup"]),
            "share that passes": number(values["passed"]),
        }
        for coordinates, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro intervene_rank")


def _without_weight_decay(numbers: Numbers) -> pd.DataFrame:
    found = at(numbers, "weight_decay_0") or {}
    never = f"never within {paper.STEPS_WITHOUT_DECAY} steps"
    rows = [
        {
            "condition": condition,
            "paper": never if condition in paper.NEVER_GROK_WITHOUT_DECAY else "–",
            "ours": values.get("reason") or f"groks at {number(values['grok_step'])}",
            "n": values["n"],
        }
        for condition, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro intervene_without_weight_decay")


def _centroids(numbers: Numbers) -> pd.DataFrame:
    others = ("row_cosine", "top1_cosine", "top3_cosine", "per_example_logit", "per_example_full")
    rows = []
    for phase in PHASES:
        found = at(numbers, "centroids", phase) or {}
        logit, full = paper.RANK90[phase]
        reported: dict[str, Reported | None] = {
            "rank90_logit": exactly(logit, "limitations", "size"),
            "rank90_full": exactly(full, "limitations", "size"),
            **dict.fromkeys((*others, "window_logit", "window_full")),
        }
        rows += [
            _of_phase(found, compared({"phase": phase, "quantity": quantity_title(name)}, value, found.get(name)))
            for name, value in reported.items()
        ]
    return pd.DataFrame(rows)


def _controls(numbers: Numbers) -> pd.DataFrame:
    """A row per run, and operation of it, that the paper's claims are not about."""
    peaks = ("update_peak", "gradient_peak", "w1_peak")
    rows = [
        {
            "run": run,
            "experiment": found["experiment"],
            "operation": op,
            "grok step": values.get("reason") or number(values["grok_step"]),
            **{quantity_title(name): number(values[name]) for name in peaks},
        }
        for run, found in (at(numbers, "controls") or {}).items()
        for op, values in found.items()
        if op != "experiment"
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro figures")


def not_run(command: str) -> pd.DataFrame:
    """In place of a table whose stages were not run."""
    return pd.DataFrame([{"verdict": "not run", "command": command}])
