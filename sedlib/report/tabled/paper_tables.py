"""The paper's Tables 1 to 5 and the new ones, from the numbers in metrics.json alone."""

import pandas as pd

from sedlib.report.metrics.reading import Numbers, nested, quantity_title
from sedlib.report.numbers.digits import number
from sedlib.report.tabled.compared import compared, not_run
from sedlib.report.tabled.coupling_tables import ablations, ladder, multitask, single_task
from sedlib.report.tabled.intervention_tables import interventions, rank_curve, without_weight_decay
from sedlib.report.tabled.phase_tables import centroids, single_checkpoint


def tables(numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every table by its file name; one whose stages were not run says so row by row."""
    return {
        "table1-single-task": single_task(numbers),
        "table2-ablations": ablations(numbers),
        "table3-single-checkpoint": single_checkpoint(numbers),
        "table4-update-projection": interventions(numbers, "update"),
        "table5-gradient-projection": interventions(numbers, "gradient"),
        "multitask": multitask(numbers),
        "ladder": ladder(numbers),
        "rank-curve": rank_curve(numbers),
        "weight-decay-0": without_weight_decay(numbers),
        "centroids": centroids(numbers),
        "permuted": _permuted(numbers),
        "controls": _controls(numbers),
    }


def _permuted(numbers: Numbers) -> pd.DataFrame:
    """A row for each operation and reading of the gradient's ratio over that of gradients on permuted answers."""
    rows = [
        compared({"operation": op, "quantity": f"R̄ over R̄ on permuted answers, {reading}"}, None, values)
        for op, found in (nested(numbers, "permuted") or {}).items()
        for reading, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro ablations/dvc.yaml:permuted")


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
        for run, found in (nested(numbers, "controls") or {}).items()
        for op, values in found.items()
        if op != "experiment"
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro figures")
