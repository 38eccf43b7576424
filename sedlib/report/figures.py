"""Figures of one run, a panel per operation. A stream keeps its colour everywhere (Okabe-Ito, colour-blind safe)."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.atomic import replacing
from sedlib.report.results import RunResults, grok_step, mean_ratios

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


def draw(results: RunResults, run: str, grok_threshold: float) -> dict[str, Figure]:
    """The run's figures by name: accuracy, coupling, rank90 and gaps."""
    grokked = {op: grok_step(results.training, op, grok_threshold) for op in results.ops}
    with mpl.rc_context(STYLE):
        return {
            "accuracy": _accuracy(results.training, run, grokked),
            "coupling": _coupling(results.coupling, run, grokked),
            "rank90": _rank90(results.centroids, run, grokked),
            "gaps": _gaps(results.spectra, run, grokked),
        }


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure as SVG; equal tables give equal bytes."""
    with mpl.rc_context(STYLE):
        for name, figure in figures.items():
            with replacing(folder / f"{name}.svg") as path:
                figure.savefig(path, format="svg", metadata={"Date": None})


def _accuracy(training: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    figure, panels = _panels(list(grokked), f"{run}: accuracy")
    for op, axes in panels.items():
        curve = training[training["op"] == op]
        axes.plot(curve["step"], 100 * curve["train_accuracy"], color=GREY, linestyle="--", label="training pairs")
        axes.plot(curve["step"], 100 * curve["test_accuracy"], color=BLUE, label="held-out pairs")
        axes.set(ylabel="accuracy (%)", ylim=(-2, 104))
    return _finish(figure, panels, grokked)


def _coupling(coupling: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    ratios = mean_ratios(coupling)
    window = int(ratios["window"].max())
    per_op = "per-op " if len(grokked) > 1 else ""
    figure, panels = _panels(list(grokked), f"{run}: centroid response along a basis, relative to a random direction")
    for op, axes in panels.items():
        own = f"gradient/{op}"
        curves = {
            (own, 1): (SKY, f"{per_op}gradient alone, W = 1"),
            (own, window): (BLUE, f"{per_op}gradient SED, W = {window}"),
            ("gradient/total", window): (GREEN, f"aggregate gradient SED, W = {window}"),
            ("update", window): (VERMILION, f"update SED, W = {window}"),
        }
        for (stream, size), (colour, label) in curves.items():
            curve = ratios[(ratios["op"] == op) & (ratios["stream"] == stream) & (ratios["window"] == size)]
            if not curve.empty:
                axes.plot(curve["step"], curve["ratio"], color=colour, label=label)
        axes.axhline(1, color="black", linewidth=1, linestyle=":", label="random direction (1)")
        axes.set(yscale="log", ylabel="coupling ratio R̄")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return _finish(figure, panels, grokked)


def _rank90(centroids: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    figure, panels = _panels(
        list(grokked), f"{run}: rank-90, principal components that hold 90 % of the centroids' spectrum"
    )
    for op, axes in panels.items():
        for kind, colour, style in (("logit", BLUE, "-"), ("full", GREY, "--")):
            curve = centroids[(centroids["op"] == op) & (centroids["centroid"] == kind)]
            axes.plot(curve["step"], curve["rank90"], color=colour, linestyle=style, label=f"{kind} centroid")
        axes.set(ylabel="rank-90", ylim=(0, None))
    return _finish(figure, panels, grokked)


def _gaps(spectra: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    """Streams as curves, one panel per reading of the gap."""
    readings = {"k_star": "k* = argmax σⱼ/σⱼ₊₁", "ratio23": "σ₂ / σ₃", "g23": "g₂₃ = σ₂² − σ₃²"}
    figure, panels = _panels(list(readings), f"{run}: singular-value gaps of the rolling windows", columns=1)
    lines = _stream_lines(list(spectra["stream"].unique()))
    for reading, axes in panels.items():
        drawstyle = "steps-mid" if reading == "k_star" else "default"
        for stream, curve in spectra.groupby("stream", sort=False):
            axes.plot(
                curve["step"],
                curve[reading],
                **lines[str(stream)],
                linewidth=1.3,
                drawstyle=drawstyle,
                label=stream,
            )
        axes.set(ylabel=readings[reading], yscale="log" if reading == "g23" else "linear")
        axes.set_title("", loc="left")
    label = GROK_STEP if len(grokked) == 1 else "all operations grokked"
    return _finish(figure, panels, dict.fromkeys(readings, _common(grokked)), label)


def _stream_lines(streams: list[str]) -> dict[str, dict[str, Any]]:
    """Colour and line of each stream; with more than four operations the colours come round, dashed."""
    own = {"update": VERMILION, "gradient/total": GREEN}
    others = [stream for stream in streams if stream not in own]
    styles = itertools.product(("-", "--", ":"), (BLUE, SKY, PURPLE, ORANGE))
    return {stream: {"color": colour} for stream, colour in own.items()} | {
        stream: {"color": colour, "linestyle": line} for stream, (line, colour) in zip(others, styles, strict=False)
    }


def _common(grokked: GrokSteps) -> int | None:
    """The step by which every operation grokked."""
    steps = list(grokked.values())
    return None if None in steps else max(step for step in steps if step is not None)


def _panels(names: list[str], title: str, columns: int = 2) -> tuple[Figure, dict[str, Axes]]:
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    panel_height = 3.4 if len(names) == 1 else 2.4
    figure = Figure(figsize=(FIGURE_WIDTH, panel_height * rows + LEGEND_HEIGHT), layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, sharex=True, sharey=columns > 1, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("training step")
    panels = dict(zip(names, grid.flat, strict=False))
    if len(names) > 1:
        for name, axes in panels.items():
            axes.set_title(name, fontsize=10, loc="left", fontweight="bold")
    return figure, panels


def _finish(figure: Figure, panels: Mapping[str, Axes], grokked: GrokSteps, label: str = GROK_STEP) -> Figure:
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
