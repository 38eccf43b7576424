"""Figures of the interventions: accuracy, speed-ups over the control, share passed, speed-up against rank."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sedlib.report.drawn.charts import COLOURS
from sedlib.report.drawn.overview import band
from sedlib.report.drawn.panels import PURPLE, STYLE, finish, panels_of
from sedlib.report.metrics.reading import nested
from sedlib.report.numbers.cell_results import TABLED
from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.paper import OPS
from sedlib.terms.condition import CONTROL, FREEZE

CHANGED = [name for name in TABLED if name != CONTROL.name]
MARKERS = {"add": "o", "mul": "^"}


def intervention_figures(found: Collection, numbers: Mapping[str, Any]) -> dict[str, Figure]:
    """Every figure whose results exist, by name."""
    with mpl.rc_context(STYLE):
        figures = {
            "figure5-interventions-update": _accuracy(found, "update", "Figure 5: update projection"),
            "figure5-interventions-gradient": _accuracy(found, "gradient", "Figure 5: gradient projection"),
            "speedups": _speedups(numbers),
            "speedup-against-share": _speedup_against_share(numbers),
            "rank-curve": _rank_curve(numbers),
        }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _accuracy(found: Collection, projection: str, title: str) -> Figure | None:
    if found.trajectories is None:
        return None
    table = found.trajectories
    table = table[table["coordinates"].isna() & table["weight_decay"].isna()]
    table = table[(table["projection"] == projection) | (table["condition"] == CONTROL.name)]
    if not (table["projection"] == projection).any():
        return None
    ops = [op for op in OPS if op in set(table["op"])]
    figure, panels = panels_of(ops, title, columns=1)
    for op, axes in panels.items():
        for condition in TABLED:
            own = table[(table["op"] == op) & (table["condition"] == condition)]
            curves = {int(str(seed)): rows.set_index("step")["test_accuracy"] for seed, rows in own.groupby("seed")}
            line = "--" if condition == FREEZE.name else "-"  # it may lie on keep-random
            band(axes, curves, COLOURS[condition], condition, line)
        axes.set(ylabel="held-out accuracy", ylim=(-0.02, 1.04))
        seeds = table[table["op"] == op]["seed"].nunique()
        axes.set_title(f"{op} (n = {seeds})", fontsize=10, loc="left", fontweight="bold")
    return finish(figure, panels, dict.fromkeys(panels))


def _speedups(numbers: Mapping[str, Any]) -> Figure | None:
    """A dot per condition: how much sooner it groks than the control, with the interval where there are three seeds."""
    panels_wanted = {
        f"{op}, {projection} projection": conditions
        for projection, ops in (nested(numbers, "interventions") or {}).items()
        for op, conditions in ops.items()
    }
    if not panels_wanted:
        return None
    figure, panels = panels_of(list(panels_wanted), "Speed-up of grokking over the control", xlabel="speed-up")
    for name, axes in panels.items():
        for position, condition in enumerate(CHANGED):
            speedup, low, high = (
                nested(panels_wanted[name], condition, f"speedup{end}") for end in ("", "_low", "_high")
            )
            if speedup is not None:
                axes.plot(speedup, -position, "o", color=COLOURS[condition])
            if low is not None:
                axes.hlines(-position, low, high, color=COLOURS[condition], linewidth=3, alpha=0.5)
                axes.plot([], [], color="grey", linewidth=3, alpha=0.5, label="95 % interval")
        axes.set_yticks([-position for position in range(len(CHANGED))], CHANGED)
        axes.axvline(1, color="black", linewidth=1, linestyle=":", label="control (1)")
    return finish(figure, panels, dict.fromkeys(panels))


def _speedup_against_share(numbers: Mapping[str, Any]) -> Figure | None:
    """Whether a condition accelerates by its directions or by how little it lets through, beside random coordinates."""
    found = nested(numbers, "interventions") or {}
    if not found:
        return None
    title = "Speed-up against the share of attention's step that passes"
    figure, panels = panels_of(list(found), title, xlabel="share of the step's norm that passes")
    if "update" in panels:
        swept = [(values["passed"], values["speedup"]) for values in (nested(numbers, "rank_sweep") or {}).values()]
        there = np.array(sorted(point for point in swept if None not in point), dtype=float).reshape(-1, 2)
        panels["update"].plot(*there.T, ".-", color="grey", label="random coordinates, add")
    for projection, axes in panels.items():
        for op, conditions in found[projection].items():
            for condition in CHANGED:
                if (speedup := nested(conditions, condition, "speedup")) is not None:
                    axes.plot(conditions[condition]["passed"], speedup, MARKERS.get(op, "s"), color=COLOURS[condition])
        run = {condition for conditions in found[projection].values() for condition in conditions}
        for condition in (name for name in CHANGED if name in run):
            axes.plot([], [], "o", color=COLOURS[condition], label=condition)
        for op in found[projection]:
            axes.plot([], [], MARKERS.get(op, "s"), color="white", markeredgecolor="black", label=op)
        axes.axhline(1, color="black", linewidth=1, linestyle=":", label="control (1)")
        axes.set_ylabel("speed-up")
        axes.set_title(f"{projection} projection", fontsize=10, loc="left", fontweight="bold")
    return finish(figure, panels, dict.fromkeys(panels))


def _rank_curve(numbers: Mapping[str, Any]) -> Figure | None:
    swept = {int(kept): values for kept, values in (nested(numbers, "rank_sweep") or {}).items()}
    there = {kept: values["grok_step"] for kept, values in sorted(swept.items()) if values["grok_step"] is not None}
    if not there:
        return None
    figure, panels = panels_of(
        ["all"], "How many attention coordinates must move?", xlabel="coordinates that may move at a step (0: frozen)"
    )
    axes = panels["all"]
    axes.plot(list(there), list(there.values()), "o-", color=PURPLE)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(ylabel="grok step", ylim=(0, None))
    return figure
