"""Figures of a study: coupling ratios over training, and on the rungs between gradient and update."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, GREEN, SKY, STYLE, VERMILION, finish, panels_of, ratio_axis
from sedlib.report.numbers.rungs import RUNGS
from sedlib.report.of_studies.questions import rungs_of
from sedlib.report.of_studies.study_results import Experiment
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, gradient_of

CAPTIONS = {
    "coupling": "Geometric mean over seeds, and their range.",
    "ladder": "A line for each seed: medians over the checkpoints at which the update's window is whole.",
}
"""What lines and bands are, by the end of a figure's name."""


def study_figures(found: list[Experiment]) -> dict[str, Figure]:
    """Two figures for each experiment, by name."""
    with mpl.rc_context(STYLE):
        figures = {f"{each.name}-coupling": _over_training(each) for each in found}
        return figures | {f"{each.name}-ladder": _ladder(each) for each in found}


def _over_training(experiment: Experiment) -> Figure:
    window = experiment.runs[0].window
    title = f"{experiment.name}: centroid response along a basis, relative to a random direction"
    figure, panels = panels_of(experiment.tasks, title)
    for task, axes in panels.items():
        curves = {
            (gradient_of(task), 1): (SKY, "own gradient, W = 1"),
            (gradient_of(task), window): (BLUE, f"own gradient, W = {window}"),
            (TOTAL_GRADIENT, window): (GREEN, f"sum of gradients, W = {window}"),
            (UPDATE, window): (VERMILION, f"update, W = {window}"),
        }
        for (stream, size), (colour, label) in curves.items():
            values = _by_step(experiment, task, stream, size)
            if not values.empty:
                _band(axes, values, colour, label)
        ratio_axis(axes)
    return finish(figure, panels, dict.fromkeys(panels))


def _by_step(experiment: Experiment, task: str, stream: str, window: int) -> pd.DataFrame:
    """R̄, a row per step and a column per seed."""
    found = {}
    for run in experiment.runs:
        curves = run.curves
        own = curves[(curves["op"] == task) & (curves["stream"] == stream) & (curves["window"] == window)]
        found[run.seed] = own.set_index("step")["ratio"]
    return pd.DataFrame(found)


def _band(axes: Axes, values: pd.DataFrame, colour: str, label: str) -> None:
    axes.plot(values.index, np.exp(np.log(values).mean(axis=1)), color=colour, label=label)
    axes.fill_between(values.index, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, linewidth=0)


def _ladder(experiment: Experiment) -> Figure:
    title = f"{experiment.name}: coupling ratio from gradient to update, each seed"
    figure, panels = panels_of(experiment.tasks, title, columns=1, xlabel="")
    for task, axes in panels.items():
        streams = [gradient_of(task), *rungs_of(experiment, task)]
        for run in experiment.runs:
            ratios = [run.ratio(task, stream, run.window) for stream in streams]
            axes.plot(range(len(streams)), [np.nan if each is None else each for each in ratios], "o-", color=BLUE)
        ratio_axis(axes)
        labels = [RUNGS.get(stream, "gradient,\nfixed batch") for stream in streams]
        axes.set_xticks(range(len(streams)), labels, fontsize=8)
    return finish(figure, panels, dict.fromkeys(panels))
