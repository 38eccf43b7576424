"""The figure of a measured run: coupling ratios of every stream over the steps."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sedlib.base.border.checked import checked

COLOURS = {"gradient": "#0072B2", "total": "#009E73", "update": "#D55E00"}
"""Colours that colour-blind readers tell apart, by kind of stream."""
LINES = ("-", "--", ":", "-.")


@checked(tasks="a single one too as a list: ['next']")
def plot_coupling(table: pd.DataFrame, tasks: Sequence[str] | None = None) -> Any:
    r"""Mean coupling ratio :math:`\bar R` over steps, a panel for each task; the figure of matplotlib.

    A line for each stream and window; the band at 1 is the middle half of random directions, grey lines are the null
    of permuted targets. The axis is logarithmic.

    Parameters
    ----------
    table
        The table of ``sedlib.measure``.
    tasks
        Tasks to show; default: all.

    Raises
    ------
    ValueError
        The table lacks a column, or has no row of a task, or no task is chosen.

    Examples
    --------
    >>> steps, ratios = [0, 10, 0, 10], [3.0, 40.0, 1.0, 5.0]
    >>> streams = ["gradient/next", "gradient/next", "update", "update"]
    >>> table = pd.DataFrame({"step": steps, "task": "next", "stream": streams, "window": 1, "ratio": ratios})
    >>> table = table.assign(random_low=0.8, random_high=1.2, permuted_mean=float("nan"))
    >>> [axis.get_title() for axis in plot_coupling(table).axes]
    ['next']
    """
    from matplotlib.figure import Figure  # takes half a second to import

    needed = ("step", "task", "stream", "window", "ratio", "random_low", "random_high", "permuted_mean")
    if missing := [column for column in needed if column not in table]:
        raise ValueError(f"table: expected the columns of sedlib.measure, {missing[0]!r} is missing")
    if not len(table):
        raise ValueError("table: expected rows of a measured run, got none")
    chosen = list(tasks) if tasks is not None else sorted(table["task"].unique())
    if unknown := [task for task in chosen if task not in set(table["task"])]:
        raise ValueError(f"tasks: no row of {unknown[0]!r}; there are: {', '.join(sorted(set(table['task'])))}")
    if not chosen:
        raise ValueError("tasks: expected one or more, got none; without tasks= all are shown")
    figure = Figure(figsize=(4.2 * len(chosen) + 1.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for panel, task in zip(panels, chosen, strict=True):
        _draw(panel, table[table["task"] == task])
        panel.set(title=task, xlabel="step", yscale="log")
    panels[0].set_ylabel(r"mean coupling ratio $\bar R$")
    panels[-1].legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _draw(panel: Any, rows: pd.DataFrame) -> None:
    random = rows.groupby("step")[["random_low", "random_high"]].first()
    panel.fill_between(
        random.index, random["random_low"], random["random_high"], color="0.8", label="random directions"
    )
    panel.axhline(1, color="0.5", linewidth=0.8)
    windows = sorted(rows["window"].unique())
    for (stream, window), line in rows.groupby(["stream", "window"]):
        style = LINES[windows.index(window) % len(LINES)]
        kind = "total" if str(stream).endswith("/total") else str(stream).split("/")[0]
        name = {"gradient": "gradient", "total": "sum of gradients"}.get(kind, kind)
        panel.plot(line["step"], line["ratio"], style, color=COLOURS.get(kind, "0.3"), label=f"{name}, W = {window}")
        if line["permuted_mean"].notna().any():
            panel.plot(
                line["step"], line["permuted_mean"], style, color="0.55", label=f"permuted targets, W = {window}"
            )
