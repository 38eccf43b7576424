"""The gradient's coupling ratio beside that on permuted answers, against the steps since grokking."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, GREY, STYLE, finish, panels_of, ratio_axis
from sedlib.report.numbers.collection import Collection


def null_figure(found: Collection) -> dict[str, Figure]:
    """A panel for each operation, a line per seed; nothing where the null was not measured."""
    runs = [run for run in found.permuted if run in found.counted("single_task")]
    by_op: dict[str, list[str]] = {}
    for run in runs:
        by_op.setdefault(next(iter(found.summaries[run]["ops"])), []).append(run)
    if not by_op:
        return {}
    with mpl.rc_context(STYLE):
        title = "Gradient's own answers against permuted answers: R̄ of each seed"
        figure, panels = panels_of(list(by_op), title, xlabel="steps since the grok step")
        for op, axes in panels.items():
            for run in by_op[op]:
                steps, table = _since_grokking(found, run, op)
                axes.plot(steps, table["ratio"], color=BLUE, label="own answers")
                axes.plot(steps, table["permuted_mean"], color=GREY, linestyle="--", label="permuted answers, mean")
            ratio_axis(axes)
        return {"permuted-answers": finish(figure, panels, dict.fromkeys(panels))}


def _since_grokking(found: Collection, run: str, op: str) -> tuple["pd.Series[int]", pd.DataFrame]:
    table = found.permuted[run]
    own = table[(table["op"] == op) & (table["window"] == table["window"].max())].sort_values("step")
    return own["step"] - (found.summaries[run]["ops"][op]["grok_step"] or 0), own
