"""The figure of a measured run: coupling ratios of every stream over the steps."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sedlib.base.border.checked import checked

LOOKS = {
    "gradient": ("gradient", "#0072B2"),
    "gradient/total": ("sum of gradients", "#009E73"),
    "ladder/momentum": ("momentum", "#CC79A7"),
    "ladder/adam-direction": ("Adam's direction", "#E69F00"),
    "ladder/step-without-decay": ("step without decay", "#56B4E9"),
    "ladder/step": ("step", "#882255"),
    "update": ("update", "#D55E00"),
}
"""Name and colour of each stream; colours that colour-blind readers tell apart."""
LINES = ("-", "--", ":", "-.")
HEIGHT, LINE_HEIGHT = 3.6, 0.19
"""Inches: of the figure, and of a line of its legend."""


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
    figure = Figure(figsize=(4.2 * len(chosen) + 1.6, HEIGHT), layout="constrained")
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for panel, task in zip(panels, chosen, strict=True):
        _draw(panel, table[table["task"] == task])
        panel.set(title=task, xlabel="step", yscale="log")
    panels[0].set_ylabel(r"mean coupling ratio $\bar R$")
    legend = panels[-1].legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.set_figheight(max(HEIGHT, LINE_HEIGHT * (2 + len(legend.get_texts()))))
    return figure


def _draw(panel: Any, rows: pd.DataFrame) -> None:
    random = rows.groupby("step")[["random_low", "random_high"]].first()
    panel.fill_between(
        random.index, random["random_low"], random["random_high"], color="0.8", label="random directions"
    )
    panel.axhline(1, color="0.5", linewidth=0.8)
    windows = sorted(rows["window"].unique())
    for (stream, window), line in rows.groupby(["stream", "window"]):
        kind = str(stream).split("/")[0]
        style = LINES[windows.index(window) % len(LINES)]
        name, colour = LOOKS.get(str(stream)) or LOOKS.get(kind, (str(stream), "0.3"))
        panel.plot(line["step"], line["ratio"], style, color=colour, label=f"{name}, W = {window}")
        if line["permuted_mean"].notna().any():
            panel.plot(
                line["step"], line["permuted_mean"], style, color="0.55", label=f"permuted targets, W = {window}"
            )
