"""Figures of one run, a panel per operation; a stream keeps its colour everywhere."""

import itertools
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import (
    BLUE,
    GREEN,
    GREY,
    GROK_STEP,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
    GrokSteps,
    finish,
    panels_of,
    ratio_axis,
)
from sedlib.report.numbers.paper import CENTROID_NAMES
from sedlib.report.numbers.results import RunResults, grok_step, mean_ratios
from sedlib.report.numbers.rungs import RUNGS, ladder
from sedlib.terms.stream_names import LADDER, TOTAL_GRADIENT, UPDATE, StreamName, gradient_of


def draw(results: RunResults, run: str, grok_threshold: float) -> dict[str, Figure]:
    """The run's figures by name: of what every study has, and of what else is there."""
    grokked = {op: grok_step(results.training, op, grok_threshold) for op in results.ops}
    with mpl.rc_context(STYLE):
        figures = {
            "coupling": _coupling(results.coupling, run, grokked),
            "rank90": _rank90(results.centroids, run, grokked),
            "gaps": _gaps(results.spectra, run, grokked),
        }
        if "test_accuracy" in results.training:
            figures["accuracy"] = _accuracy(results.training, run, grokked)
        if any(StreamName.of(name).kind == LADDER for name in results.coupling["stream"].unique()):
            figures["ladder"] = _ladder(ladder(results, grok_threshold), run, results.ops)
        if results.fourier is not None:
            figures["fourier"] = _fourier(results.fourier, run, grokked)
        if results.restricted_loss is not None:
            figures["restricted_loss"] = _restricted_loss(results.restricted_loss, run, grokked)
        return figures


def _accuracy(training: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    figure, panels = panels_of(list(grokked), f"{run}: accuracy")
    for op, axes in panels.items():
        curve = training[training["op"] == op]
        axes.plot(curve["step"], 100 * curve["train_accuracy"], color=GREY, linestyle="--", label="training pairs")
        axes.plot(curve["step"], 100 * curve["test_accuracy"], color=BLUE, label="held-out pairs")
        axes.set(ylabel="accuracy (%)", ylim=(-2, 104))
    return finish(figure, panels, grokked)


def _coupling(coupling: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    ratios = mean_ratios(coupling)
    window = int(ratios["window"].max())
    per_op = "per-op " if len(grokked) > 1 else ""
    figure, panels = panels_of(list(grokked), f"{run}: centroid response along a basis, relative to a random direction")
    for op, axes in panels.items():
        own = gradient_of(op)
        curves = {
            (own, 1): (SKY, f"{per_op}gradient alone, W = 1"),
            (own, window): (BLUE, f"{per_op}gradient SED, W = {window}"),
            (TOTAL_GRADIENT, window): (GREEN, f"aggregate gradient SED, W = {window}"),
            (UPDATE, window): (VERMILION, f"update SED, W = {window}"),
        }
        for (stream, size), (colour, label) in curves.items():
            curve = ratios[(ratios["op"] == op) & (ratios["stream"] == stream) & (ratios["window"] == size)]
            if not curve.empty:
                axes.plot(curve["step"], curve["ratio"], color=colour, label=label)
        ratio_axis(axes)
    return finish(figure, panels, grokked)


def _rank90(centroids: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    figure, panels = panels_of(
        list(grokked), f"{run}: rank-90, principal components that hold 90 % of the centroids' spectrum"
    )
    for op, axes in panels.items():
        kinds, lines = centroids["centroid"].unique(), ((BLUE, "-"), (GREY, "--"), (SKY, ":"), (PURPLE, "-."))
        for kind, (colour, style) in zip(kinds, itertools.cycle(lines), strict=False):
            curve = centroids[(centroids["op"] == op) & (centroids["centroid"] == kind)]
            label = f"{CENTROID_NAMES.get(kind, kind)} centroid"
            axes.plot(curve["step"], curve["rank90"], color=colour, linestyle=style, label=label)
        axes.set(ylabel="rank-90", ylim=(0, None))
    return finish(figure, panels, grokked)


def _gaps(spectra: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    """Streams as curves, one panel per reading of the gap."""
    readings = {"k_star": "k* = argmax σⱼ/σⱼ₊₁", "ratio23": "σ₂ / σ₃", "g23": "g₂₃ = σ₂² − σ₃²"}
    figure, panels = panels_of(list(readings), f"{run}: singular-value gaps of the rolling windows", columns=1)
    spectra = spectra[[StreamName.of(stream).kind != LADDER for stream in spectra["stream"]]]
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
    return finish(figure, panels, dict.fromkeys(readings, _common(grokked)), label)


def _ladder(rungs: pd.DataFrame, run: str, ops: list[str]) -> Figure:
    """R̄ before grokking on each rung, with quartiles; W = 1 beside the window."""
    figure, panels = panels_of(
        ops, f"{run}: coupling ratio before grokking, from gradient to update", columns=1, xlabel=""
    )
    present = list(rungs["rung"].unique())
    window = int(rungs["window"].max())
    lines = {window: (BLUE, "o", f"W = {window}"), 1: (SKY, "D", "W = 1, the row alone")}
    for op, axes in panels.items():
        for size, (colour, marker, label) in lines.items():
            found = rungs[(rungs["op"] == op) & (rungs["window"] == size)].set_index("rung").reindex(present)
            spread = [found["plateau"] - found["low"], found["high"] - found["plateau"]]
            axes.errorbar(
                range(len(present)),
                found["plateau"],
                yerr=spread,
                color=colour,
                marker=marker,
                linewidth=1,
                label=label,
            )
        if rungs.loc[rungs["op"] == op, "plateau"].isna().all():
            axes.text(0.5, 0.5, "never groks", transform=axes.transAxes, ha="center")
        ratio_axis(axes)
        axes.set_xticks(range(len(present)), [RUNGS.get(rung, rung) for rung in present], fontsize=8)
    return finish(figure, panels, dict.fromkeys(panels))


def _fourier(fourier: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    figure, panels = panels_of(
        list(grokked), f"{run}: share of the centroids' principal components at their dominant frequency"
    )
    for op, axes in panels.items():
        own = fourier[fourier["op"] == op]
        for basis, line in (("additive", "-"), ("discrete-log", "--")):
            for component, colour in enumerate((BLUE, ORANGE, PURPLE), start=1):
                curve = own[(own["basis"] == basis) & (own["component"] == component)]
                if not curve.empty:
                    label = f"PC {component}, {basis} basis"
                    axes.plot(curve["step"], curve["r2"], color=colour, linestyle=line, label=label)
        axes.set(ylabel="R²", ylim=(0, 1))
    return finish(figure, panels, grokked)


def _restricted_loss(losses: pd.DataFrame, run: str, grokked: GrokSteps) -> Figure:
    figure, panels = panels_of(list(grokked), f"{run}: loss with nothing but the key frequencies, and without them")
    curves = {
        "loss": (GREY, "-", "loss, all pairs"),
        "restricted_loss": (BLUE, "-", "restricted to key frequencies"),
        "train_loss": (GREY, "--", "loss, training pairs"),
        "excluded_loss": (VERMILION, "--", "key frequencies excluded, training pairs"),
    }
    for op, axes in panels.items():
        curve = losses[losses["op"] == op]
        for column, (colour, style, label) in curves.items():
            axes.plot(curve["step"], curve[column], color=colour, linestyle=style, label=label)
        axes.set(yscale="log", ylabel="cross-entropy (nats)")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return finish(figure, panels, grokked)


def _stream_lines(streams: list[str]) -> dict[str, dict[str, Any]]:
    """Colour and line of each stream; with more than four operations the colours come round, dashed."""
    own = {UPDATE: VERMILION, TOTAL_GRADIENT: GREEN}
    others = [stream for stream in streams if stream not in own]
    styles = itertools.product(("-", "--", ":"), (BLUE, SKY, PURPLE, ORANGE))
    return {stream: {"color": colour} for stream, colour in own.items()} | {
        stream: {"color": colour, "linestyle": line} for stream, (line, colour) in zip(others, styles, strict=False)
    }


def _common(grokked: GrokSteps) -> int | None:
    """The step by which every operation grokked."""
    steps = list(grokked.values())
    return None if None in steps else max(step for step in steps if step is not None)
