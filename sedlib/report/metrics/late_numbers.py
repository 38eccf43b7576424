"""A reading that stands beside the peak: the median over the last measured checkpoints.

Rounding moves this median as far as the peak: processors/README.md has both.
"""

from collections.abc import Mapping

import pandas as pd

from sedlib.report.numbers.results import RunResults, mean_ratios

LAST = 5
"""Measured checkpoints, of those at which the window is whole."""


def late_of(results: RunResults, op: str, streams: Mapping[str, str]) -> dict[str, float]:
    """Median of an operation's R̄ over the last measured checkpoints, by name.

    ``streams`` names the streams to read, each at its longest window; ``w1`` is read at a window of one.
    """
    ratios = mean_ratios(results.coupling)
    own = ratios[ratios["op"] == op]
    found = {name: _last(own[own["stream"] == stream], alone=name == "w1") for name, stream in streams.items()}
    return {name: value for name, value in found.items() if value is not None}


def _last(curve: pd.DataFrame, *, alone: bool) -> float | None:
    if curve.empty:
        return None
    window = 1 if alone else curve["window"].max()
    chosen = curve[curve["window"] == window].sort_values("step")["ratio"].tail(LAST)
    return None if chosen.empty else float(chosen.median())
