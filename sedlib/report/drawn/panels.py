"""What all figures share: style, colours (Okabe-Ito, colour-blind safe), panels with one legend, equal bytes."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sedlib.base.atomic import replacing

BLUE, SKY, GREEN, VERMILION = "#0072B2", "#56B4E9", "#009E73", "#D55E00"
PURPLE, ORANGE, GREY = "#CC79A7", "#E69F00", "#555555"
STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "sedlib",
}
FIGURE_WIDTH = 7.2
LEGEND_HEIGHT = 0.8
GROK_STEP = "grok step"

GrokSteps = Mapping[str, int | None]


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure as SVG; equal tables give equal bytes."""
    with mpl.rc_context(STYLE):
        for name, figure in figures.items():
            with replacing(folder / f"{name}.svg") as path:
                figure.savefig(path, format="svg", metadata={"Date": None})


def panels_of(
    names: list[str], title: str, columns: int = 2, xlabel: str = "training step"
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each name."""
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    panel_height = 3.4 if len(names) == 1 else 2.4
    figure = Figure(figsize=(FIGURE_WIDTH, panel_height * rows + LEGEND_HEIGHT), layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, sharex=True, sharey=columns > 1, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    if columns > 1:
        grid[0, 0].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    for axes in grid[-1]:
        axes.set_xlabel(xlabel)
    panels = dict(zip(names, grid.flat, strict=False))
    if len(names) > 1:
        for name, axes in panels.items():
            axes.set_title(name, fontsize=10, loc="left", fontweight="bold")
    return figure, panels


def ratio_axis(axes: Axes) -> None:
    """Coupling ratios on a log scale, plain numbers at 1, 2 and 5 of each decade, and the random direction's 1."""
    axes.axhline(1, color="black", linewidth=1, linestyle=":", label="random direction (1)")
    axes.set(yscale="log", ylabel="coupling ratio R̄")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.tick_params(axis="y", which="minor", labelsize=7)


def finish(figure: Figure, panels: Mapping[str, Axes], grokked: GrokSteps, label: str = GROK_STEP) -> Figure:
    """Mark grok steps, share one legend below the panels."""
    for name, axes in panels.items():
        step = grokked[name]
        if step is not None:
            axes.axvline(step, color="black", linewidth=1, linestyle="--", label=label)
            axes.annotate(
                f"{step:,}",
                (step, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, 1),
                textcoords="offset points",
                fontsize=8,
            )
    entries: dict[str, Artist] = {}
    for axes in panels.values():
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if label in entries:
        entries[label] = entries.pop(label)  # last
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3, fontsize=9)
    return figure
