"""Figures of the coupling over all seeds, and of the ladder; a band is the range over seeds, n their number."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, FIGURE_WIDTH, GREEN, SKY, STYLE, VERMILION, finish, panels_of, ratio_axis
from sedlib.report.metrics.reading import nested, not_controls
from sedlib.report.numbers.collection import KINDS, Collection
from sedlib.report.numbers.paper import OPS
from sedlib.report.numbers.results import mean_ratios
from sedlib.report.numbers.rungs import OWN_GRADIENT, RUNGS, streams_on
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, gradient_of

ALONE = "gradient alone"
"""The last row of the operation's own gradient, a window of one."""
OVER_SEEDS = "mean and range over seeds up to the end of the shortest run; thin: a longer run alone"
Curves = dict[int, pd.Series]
"""By seed, values over steps."""


def overview(found: Collection, numbers: Mapping[str, Any]) -> dict[str, Figure]:
    """Every figure whose results exist, by name."""
    single, several = (found.counted(kind) for kind in KINDS)
    with mpl.rc_context(STYLE):
        figures = {
            "figure1-update-sed": _coupling(found, single, [UPDATE], "Figure 1: update SED, single task"),
            "figure2-gradient-sed": _coupling(
                found,
                single,
                [ALONE, OWN_GRADIENT, UPDATE],
                "Figure 2: gradient against update, single task",
            ),
            "figure3-multitask-update": _coupling(found, several, [UPDATE], "Figure 3: update SED, multitask"),
            "figure4-multitask-per-op": _coupling(
                found,
                several,
                [ALONE, OWN_GRADIENT, TOTAL_GRADIENT, UPDATE],
                "Figure 4: per-op gradients, multitask",
            ),
            "ladder": _ladder(found, numbers),
        }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _coupling(found: Collection, runs: list[str], streams: list[str], title: str) -> Figure | None:
    lines = {
        ALONE: (SKY, "gradient alone, W = 1"),
        OWN_GRADIENT: (BLUE, "gradient SED"),
        TOTAL_GRADIENT: (GREEN, "aggregate gradient SED"),
        UPDATE: (VERMILION, "update SED"),
    }
    by_run = {run: mean_ratios(found.runs[run].coupling) for run in runs}
    ops = [op for op in OPS if any(op in found.summaries[run]["ops"] for run in runs)]
    if not ops:
        return None
    figure, panels = panels_of(ops, f"{title}\n{OVER_SEEDS}" if len(runs) > 1 else title)
    for op, axes in panels.items():
        for stream in streams:
            colour, label = lines[stream]
            curves = {
                found.summaries[run]["seed"]: curve
                for run, ratios in by_run.items()
                if op in found.summaries[run]["ops"] and not (curve := _curve(ratios, stream, op)).empty
            }
            band(axes, curves, colour, label)
        steps = [found.summaries[run]["ops"][op]["grok_step"] for run in runs if op in found.summaries[run]["ops"]]
        for step in (step for step in steps if step is not None):
            axes.axvline(step, color="black", linewidth=0.8, linestyle="--", label="grok step of a seed")
        ratio_axis(axes)
        axes.set_title(f"{op} (n = {len(steps)})", fontsize=10, loc="left", fontweight="bold")
    return finish(figure, panels, dict.fromkeys(panels))


def _curve(ratios: pd.DataFrame, stream: str, op: str) -> "pd.Series[float]":
    name = gradient_of(op) if stream in (ALONE, OWN_GRADIENT) else stream
    window = 1 if stream == ALONE else ratios["window"].max()
    own = ratios[(ratios["op"] == op) & (ratios["stream"] == name) & (ratios["window"] == window)]
    return own.set_index("step")["ratio"]


def band(axes: Axes, curves: Curves, colour: str, label: str, line: str = "-", *, fill: bool = True) -> None:
    """Mean over seeds where all of them have values, and their range; what a longer run has alone is a thin line."""
    if not curves:
        return
    first = max(curve.index.min() for curve in curves.values())
    last = min(curve.index.max() for curve in curves.values())
    grid = np.unique(np.concatenate([curve.index.to_numpy() for curve in curves.values()]))
    grid = grid[(grid >= first) & (grid <= last)]
    values = np.stack([np.interp(grid, curve.index, curve.to_numpy()) for curve in curves.values()])
    axes.plot(grid, values.mean(0), color=colour, linestyle=line, label=label)
    if fill and len(curves) > 1:
        axes.fill_between(grid, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        for curve in curves.values():
            axes.plot(curve[curve.index >= last], color=colour, linestyle=line, linewidth=0.7)


def _ladder(found: Collection, numbers: Mapping[str, Any]) -> Figure | None:
    """Mean before grokking on each rung, a line per run that is no control."""
    runs = not_controls(numbers, nested(numbers, "ladder") or {})
    if not runs:
        return None
    figure = Figure(figsize=(FIGURE_WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    figure.suptitle("The estimator ladder: coupling ratio from the gradient to the update", fontsize=11)
    rungs = list(RUNGS)
    for run, streams in runs.items():
        several = len(found.summaries[run]["ops"]) > 1
        heights = []
        for rung in rungs:
            values = [nested(streams, name, "mean_before_grok") for name in streams_on(rung, streams)]
            there = [value for value in values if value is not None]
            heights.append(float(np.mean(there)) if there else np.nan)
        colour, label = (GREEN, "multitask runs") if several else (BLUE, "single-task runs")
        kept = ~np.isnan(heights)
        axes.plot(np.arange(len(rungs))[kept], np.array(heights)[kept], "o-", color=colour, label=label, linewidth=1)
    ratio_axis(axes)
    axes.set_ylabel("mean coupling ratio R̄ before grokking")
    axes.set_xticks(range(len(rungs)), list(RUNGS.values()), fontsize=7.5)
    return finish(figure, {"all": axes}, {"all": None})
