"""How much the operations differ by the steps since grokking: of each seed, as the claim op-spread has it."""

from collections.abc import Mapping

import pandas as pd

from sedlib.report.numbers.paper import OPS
from sedlib.report.numbers.seeds import estimate
from sedlib.report.sweeps.since_grok import DIFFERENCE, LARGEST_OVER_SMALLEST, Curves, readings_at, stop_row
from sedlib.terms.stops_after_grokking import STOPS


def spreads(curves: Curves, seeds: Mapping[str, int]) -> pd.DataFrame:
    r"""A row per quantity and stop: of each seed :math:`\max_o p_o / \min_o p_o`, and gradient less update; over seeds.

    :math:`p_o` is the peak of operation o up to the stop. A seed counts where all four operations of the paper have
    one; without such a seed the table is empty.

    Parameters
    ----------
    seeds
        The seed of each run.
    """
    rows = []
    of_stream = {name: {stop: _by_seed(curves, seeds, name, stop) for stop in STOPS} for name in ("gradient", "update")}
    for name, by_stop in of_stream.items():
        quantity = LARGEST_OVER_SMALLEST.format(name)
        rows += [
            stop_row(quantity, "all", stop, estimate([*found.values()])) for stop, found in by_stop.items() if found
        ]
    for stop, gradient in of_stream["gradient"].items():
        update = of_stream["update"][stop]
        if differences := [gradient[seed] - update[seed] for seed in gradient if seed in update]:
            rows.append(stop_row(DIFFERENCE, "all", stop, estimate(differences)))
    return pd.DataFrame(rows)


def _by_seed(curves: Curves, seeds: Mapping[str, int], name: str, stop: int) -> dict[int, float]:
    """Largest over smallest of the paper's operations, of each seed with a peak of them all."""
    peaks: dict[int, list[float]] = {}
    for op in OPS:
        for run, of_run in curves.get(op, {}).items():
            if (peak := readings_at(of_run, stop).get(name)) is not None:
                peaks.setdefault(seeds[run], []).append(peak)
    return {seed: max(of_ops) / min(of_ops) for seed, of_ops in peaks.items() if len(of_ops) == len(OPS)}
