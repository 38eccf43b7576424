"""Tables of the coupling: single task, ablations, multitask, the ladder."""

import pandas as pd

from sedlib.report.metrics.reading import Numbers, nested, not_controls, quantity_title
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.paper import OPS, Reported, exactly
from sedlib.report.numbers.rungs import RUNGS, rung_label, streams_on
from sedlib.report.tabled.compared import compared, not_run


def single_task(numbers: Numbers) -> pd.DataFrame:
    """Table 1."""
    rows = []
    for op in OPS:
        found = nested(numbers, "single_task", op) or {}
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
            rows.append(compared(labels, value, found.get(name)))
    return pd.DataFrame(rows)


def ablations(numbers: Numbers) -> pd.DataFrame:
    """Table 2. The paper gives R_1's peak; plateau, peak and final of R̄ stand beside it."""
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
    rows = []
    for axis, values in (nested(numbers, "ablation") or {}).items():
        for value, found in values.items():
            labels = {"setting": axis, "value": value, "quantity": "R₁ peak"}
            row = compared(labels, reported.get((axis, value)), found["r1_peak"])
            means = {name: found[name] for name in ("plateau", "peak", "final") if found[name] is not None}
            rows.append({**row, "n": found["n"], **{f"R̄ {name}": number(mean) for name, mean in means.items()}})
    return pd.DataFrame(rows) if rows else not_run("dvc repro ablations/dvc.yaml")


def multitask(numbers: Numbers) -> pd.DataFrame:
    """Peaks and final values in networks that learn several operations."""
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
                nested(numbers, "multitask", op, name),
            )
            for op in OPS
            for name, value in reported.items()
        ]
    )


def ladder(numbers: Numbers) -> pd.DataFrame:
    """Mean R̄ before grokking on each rung, a column per run that is no control."""
    runs = not_controls(numbers, nested(numbers, "ladder") or {})
    rows = []
    for rung, label in RUNGS.items():
        row = {"rung": rung_label(label)}
        for run, streams in runs.items():
            means = [streams[name]["mean_before_grok"] for name in streams_on(rung, streams)]
            there = [mean for mean in means if mean is not None]
            row[run] = number(sum(there) / len(there)) if there else NOTHING
        rows.append(row)
    return pd.DataFrame(rows) if runs else not_run("dvc repro figures")
