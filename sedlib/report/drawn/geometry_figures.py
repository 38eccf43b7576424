"""Figures of the companion paper's quantities, a panel per experiment; a band is the range over seeds."""

from collections.abc import Callable

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.leads import BASELINE, GAP_CHANGE
from sedlib.report.drawn.overview import band
from sedlib.report.drawn.panels import BLUE, GREEN, GREY, ORANGE, SKY, STYLE, VERMILION, finish, panels_of
from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.experiments import experiment
from sedlib.report.numbers.gap_onsets import gap_numbers, update_gaps
from sedlib.report.numbers.paper import OPS
from sedlib.report.numbers.trajectories import Geometry, geometry_numbers

MATRICES = {"W_Q": BLUE, "W_K": SKY, "W_V": GREEN, "W_O": VERMILION}
LAYER_LINES = ("-", "--", ":", "-.")
GROK_STEPS = "grok step of a seed"

Draw = Callable[[Axes, Collection, list[str]], None]
"""Draws some runs, seeds of one experiment, on a panel."""


def geometry_figures(found: Collection) -> dict[str, Figure]:
    """Every figure whose results exist, by name; runs of several operations have their own, and so have controls."""
    figures: dict[str, Figure] = {}
    with mpl.rc_context(STYLE):
        kinds = {
            "": found.counted("single_task"),
            "-multitask": found.counted("multitask"),
            "-controls": list(found.controls),
        }
        for suffix, of_kind in kinds.items():
            runs = [run for run in of_kind if run in found.geometry]
            if runs:
                figures |= {
                    f"pc1{suffix}": _panels(
                        found,
                        runs,
                        "PC1 of each attention matrix's trajectory; mean over seeds to the shortest run's end",
                        _pc1,
                    ),
                    f"defect{suffix}": _panels(found, runs, "Commutator defect against accuracy", _defect),
                    f"share{suffix}": _panels(
                        found, runs, "Commutator's share in a basis, relative to a random subspace", _share
                    ),
                    f"alignment{suffix}": _panels(
                        found, runs, "Alignment of the motion between checkpoints with commutators", _alignment
                    ),
                }
        runs = [run for run in kinds[""] if run in found.geometry and len(update_gaps(found.runs[run].spectra))]
        if runs:
            figures["gap-against-defect"] = _alarms(found, runs)
    return figures


def _alarms(found: Collection, runs: list[str]) -> Figure:
    """The first run of each experiment; defect and gap relative to what their onsets are counted from."""
    chosen: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: _place(found, run)):
        chosen.setdefault(experiment(found.summaries[run]), run)
    title = "Commutator defect and spectral gap of the update: which changes first?"
    figure, panels = panels_of(list(chosen.values()), title)
    for run, axes in panels.items():
        gaps, curvature = update_gaps(found.runs[run].spectra), found.geometry[run].curvature
        numbers = geometry_numbers(found.geometry[run], found.runs[run].training)
        numbers |= gap_numbers(gaps, curvature, numbers["accurate_step"])
        for table, column, key, colour, label, marker in (
            (curvature, "defect", "onset", BLUE, "defect", "o"),
            (gaps, "g23", "gap_onset", VERMILION, "g₂₃", "s"),
        ):
            values = table.set_index("step")[column]
            relative = values / values.iloc[:BASELINE].median()
            axes.plot(relative, color=colour, label=f"{label} / its first three")
            began = numbers[key]
            if began is not None:
                name = f"onset of {label}"
                axes.plot(began, relative[began], marker, color=colour, markeredgecolor="black", label=name)
        for change in (GAP_CHANGE, 1 / GAP_CHANGE):
            axes.axhline(change, color="black", linewidth=0.8, linestyle=":", label="change by a factor of ten")
        axes.set(yscale="log", ylabel="defect, g₂₃ / first three")
        right = right_axis(axes, "σ₂ / σ₃")
        ratios = gaps.set_index("step")["ratio23"]
        right.plot(ratios, color=GREEN, linewidth=1, linestyle="--")
        axes.plot([], [], color=GREEN, linewidth=1, linestyle="--", label="σ₂ / σ₃ (right)")
        if numbers["gap_peak"] is not None:
            right.plot(numbers["gap_peak"], ratios[numbers["gap_peak"]], "^", color=GREEN, markeredgecolor="black")
            axes.plot([], [], "^", color=GREEN, markeredgecolor="black", label="peak of σ₂ / σ₃ before 90 %")
    grokked = {run: next(iter(found.summaries[run]["ops"].values()))["grok_step"] for run in panels}
    return finish(figure, panels, grokked)


def right_axis(axes: Axes, label: str) -> Axes:
    """A second axis, named in the last column only."""
    right = axes.twinx()
    place = axes.get_subplotspec()
    if place and place.is_last_col():
        right.set_ylabel(label)
    right.grid(visible=False)
    right.spines["right"].set_visible(True)
    return right


def _panels(found: Collection, runs: list[str], title: str, draw: Draw) -> Figure:
    experiments: dict[str, list[str]] = {}
    for run in sorted(runs, key=lambda run: _place(found, run)):
        experiments.setdefault(experiment(found.summaries[run]), []).append(run)
    figure, panels = panels_of(list(experiments), title)
    for name, axes in panels.items():
        draw(axes, found, experiments[name])
        for run in experiments[name]:
            steps = [values["grok_step"] for values in found.summaries[run]["ops"].values()]
            if None not in steps:
                axes.axvline(max(steps), color="black", linewidth=0.8, linestyle="--", label=GROK_STEPS)
        axes.set_title(f"{name} (n = {len(experiments[name])})", fontsize=10, loc="left", fontweight="bold")
    return finish(figure, panels, dict.fromkeys(panels), GROK_STEPS)


def _place(found: Collection, run: str) -> int:
    first = next(iter(found.summaries[run]["ops"]))
    return OPS.index(first) if first in OPS else len(OPS)


def _by_seed(found: Collection, runs: list[str], values: Callable[[str], "pd.Series[float]"]) -> dict[int, pd.Series]:
    return {found.summaries[run]["seed"]: values(run) for run in runs}


def _pc1(axes: Axes, found: Collection, runs: list[str]) -> None:
    """Mean over seeds: eight bands would hide one another."""
    tables = {found.summaries[run]["seed"]: found.geometry[run].trajectory_windows for run in runs}
    matrices = list(found.geometry[runs[0]].trajectory["matrix"])
    styles = {
        f"layer {layer} {kind}": (colour, LAYER_LINES[layer % len(LAYER_LINES)])
        for layer in range(len(matrices))
        for kind, colour in MATRICES.items()
    }
    for matrix in matrices:
        curves = {
            seed: table[table["matrix"] == matrix].set_index("step")["pc1_percent"] for seed, table in tables.items()
        }
        colour, line = styles[matrix]
        band(axes, curves, colour, matrix, line, fill=False)
    walk = pd.concat([found.geometry[run].trajectory["walk_mean"] for run in runs]).mean()
    axes.axhline(walk, color="black", linewidth=1, linestyle=":", label="random walks of the whole length")
    axes.set(ylabel="PC1 so far (%)", ylim=(None, 101))


def _defect(axes: Axes, found: Collection, runs: list[str]) -> None:
    band(axes, _measured(found, runs, "defect"), BLUE, "defect, median of the draws")
    axes.set(yscale="log", ylabel="commutator defect")
    for run in runs:
        began = geometry_numbers(found.geometry[run], found.runs[run].training)["onset"]
        if began is not None:
            axes.axvline(began, color=ORANGE, linewidth=1.4, linestyle=":", label="onset of a seed")
    accuracies = _by_seed(found, runs, lambda run: found.runs[run].training.groupby("step")["test_accuracy"].min())
    right = right_axis(axes, "held-out accuracy")
    band(right, accuracies, GREY, "", "-.")
    axes.plot([], [], color=GREY, linestyle="-.", label="held-out accuracy (right)")
    right.set(ylim=(-0.02, 1.04))


def _share(axes: Axes, found: Collection, runs: list[str]) -> None:
    band(axes, _relative(found, runs, "share", "expected_share"), BLUE, "execution basis")
    if all(len(found.geometry[run].in_weights) for run in runs):
        band(axes, _by_seed(found, runs, lambda run: _in_weights(found.geometry[run])), GREEN, "weights' directions")
    band(axes, _relative(found, runs, "random_share", "expected_share"), GREY, "random subspaces")
    axes.axhline(1, color="black", linewidth=1, linestyle=":", label="expectation of a random subspace (1)")
    axes.set(ylabel="share / expectation", ylim=(0, None))


def _in_weights(geometry: Geometry) -> "pd.Series[float]":
    measured = geometry.in_weights.set_index("step")
    return (measured["share"] / measured["expected_share"]).dropna()


def _alignment(axes: Axes, found: Collection, runs: list[str]) -> None:
    band(axes, _measured(found, runs, "alignment"), BLUE, "motion and commutators")
    expected = found.geometry[runs[0]].curvature["expected_alignment"].iloc[0]
    axes.axhline(expected, color="black", linewidth=1, linestyle=":", label="random direction, √(2 / πD)")
    axes.set(yscale="log", ylabel="mean |cos|")


def _measured(found: Collection, runs: list[str], column: str) -> dict[int, pd.Series]:
    return _by_seed(found, runs, lambda run: found.geometry[run].curvature.set_index("step")[column].dropna())


def _relative(found: Collection, runs: list[str], column: str, expected: str) -> dict[int, pd.Series]:
    def values(run: str) -> "pd.Series[float]":
        curvature = found.geometry[run].curvature.set_index("step")
        return curvature[column] / curvature[expected]

    return _by_seed(found, runs, values)
