"""Tables of the interventions: both projections, the curve against rank, weight decay 0."""

import pandas as pd

from sedlib.report.metrics.reading import Numbers, estimated, nested, shown, sped_up
from sedlib.report.numbers import paper
from sedlib.report.numbers.cell_results import TABLED
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.tabled.compared import compared, not_run
from sedlib.terms.condition import CONTROL, Projection


def interventions(numbers: Numbers, projection: Projection) -> pd.DataFrame:
    """Grok steps and speed-ups over the control; the verdict is on the speed-up, 1 being no effect."""
    rows = []
    run = nested(numbers, "interventions", projection) or {}
    for op in ["add", "mul", *(op for op in run if op not in ("add", "mul"))]:
        for condition in TABLED:
            found = nested(run, op, condition) or {}
            steps = paper.GROK_STEPS.get((projection, op, condition))
            mean = paper.GROK_STEP_MEANS.get((projection, op), {}).get(condition)
            row = compared({}, paper.speedup(projection, op, condition), sped_up(found))
            lacking = f" ({found['reason']})" if found.get("reason") and found["mean"] is not None else ""
            rows.append(
                {
                    "operation": op,
                    "condition": condition,
                    "paper: steps": NOTHING
                    if steps is None or mean is None
                    else f"{number(mean)} ({', '.join(map(str, steps))})",
                    "here: steps": shown(estimated(found), found.get("reason")) + lacking,
                    "paper: speed-up": row["paper"],
                    "here: speed-up": row["here"],
                    "n": row["n"],
                    "share that passes": NOTHING if found.get("passed") is None else number(found["passed"]),
                    "verdict": "reference" if condition == CONTROL.name and found else row["verdict"],
                }
            )
    return pd.DataFrame(rows)


def rank_curve(numbers: Numbers) -> pd.DataFrame:
    """Grok step and speed-up by the number of coordinates kept."""
    found = nested(numbers, "rank_sweep") or {}
    rows = [
        {
            "coordinates kept": number(int(coordinates)),
            "grok step": values.get("reason") or number(values["grok_step"]),
            "speed-up": NOTHING if values["speedup"] is None else number(values["speedup"]),
            "share that passes": number(values["passed"]),
        }
        for coordinates, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro interventions/dvc.yaml:coordinates")


def without_weight_decay(numbers: Numbers) -> pd.DataFrame:
    """Whether a condition groks without weight decay."""
    found = nested(numbers, "weight_decay_0") or {}
    never = f"never within {paper.STEPS_WITHOUT_DECAY} steps"
    rows = [
        {
            "condition": condition,
            "paper": never if condition in paper.NEVER_GROK_WITHOUT_DECAY else NOTHING,
            "here": values.get("reason") or f"groks at {number(values['grok_step'])}",
            "n": values["n"],
        }
        for condition, values in found.items()
    ]
    return pd.DataFrame(rows) if rows else not_run("dvc repro interventions/dvc.yaml:without_weight_decay")
