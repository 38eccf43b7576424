"""The figure that the README shows: gradient against update on one operation, from the chart's table alone."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, GREY, STYLE, VERMILION
from sedlib.report.metrics.reading import Numbers, by_seed, nested
from sedlib.report.numbers.paper import SEEDS

OP = "add"
LINES = {
    "gradient": (BLUE, "directions of the\nloss gradient"),
    "update": (VERMILION, "directions of the\noptimizer's update"),
}


def headline(coupling: pd.DataFrame, numbers: Numbers) -> dict[str, Figure]:
    """The figure by its name; none, where the paper's seeds were not run."""
    runs = [f"{OP}-{seed}" for seed in SEEDS]
    own = coupling[coupling["run"].isin(runs)]
    if own.empty:
        return {}
    window = max(own["window"], key=lambda text: int(str(text).rpartition(" ")[2]))
    with mpl.rc_context({**STYLE, "font.size": 13}):
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        axes = figure.subplots()
        for stream, (colour, label) in LINES.items():
            _seeds(axes, own[(own["stream"] == stream) & (own["window"] == window)], colour, label)
        axes.axhline(1, color=GREY, linewidth=1.2, linestyle=":")
        axes.text(0.02, 1.08, "a random direction", color=GREY, transform=axes.get_yaxis_transform())
        steps = by_seed(nested(numbers, "single_task", OP, "grok_step")).values()
        if steps:
            axes.axvspan(min(steps), max(steps), color=GREY, alpha=0.15, linewidth=0)
            axes.text(float(np.mean(list(steps))), 20, "the network\ngroks", color=GREY, ha="center", va="center")
        axes.set(yscale="log", ylim=(0.7, 400), xlim=(0, None), xlabel="training step")
        axes.set_ylabel("how much features move (R̄),\nrelative to a random direction")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    return {"headline": figure}


def _seeds(axes: Axes, table: pd.DataFrame, colour: str, label: str) -> None:
    """A thin line for each seed, to its own end, and the name at the first point."""
    for _, curve in table.groupby("run", sort=False):
        axes.plot(curve["step"], curve["ratio"], color=colour, linewidth=1.6)
    if not table.empty:
        early = table[table["step"] <= table["step"].quantile(0.6)]
        place = (early["step"].min(), 1.25 * early["ratio"].max())
        axes.text(*place, label, color=colour, fontweight="bold", va="bottom")
