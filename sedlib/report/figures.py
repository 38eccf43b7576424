"""Figures of one run. Streams keep their colours everywhere (Okabe-Ito, safe for colour-blind readers)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.report.results import RunResults, grok_step, mean_ratios

BLUE, SKY, GREEN, VERMILION, GREY = "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#666666"
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
PANEL_WIDTH, PANEL_HEIGHT = 6.4, 3.8


def draw(results: RunResults, folder: Path, run: str, grok_threshold: float) -> None:
    """Write accuracy.svg, coupling.svg, rank90.svg and gaps.svg; equal tables give equal bytes."""
    grokked = {op: grok_step(results.training, op, grok_threshold) for op in results.ops}
    for name, plot in (
        ("accuracy", _accuracy),
        ("coupling", _coupling),
        ("rank90", _rank90),
        ("gaps", _gaps),
    ):
        with mpl.rc_context(STYLE):
            figure = plot(results, run, grokked)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
