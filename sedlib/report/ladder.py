"""The estimator ladder: how much coupling is left on each rung between the gradient and the update."""

import pandas as pd

from sedlib.report.results import RunResults, grok_step, mean_ratios

RUNGS = {
    "gradient": "gradient,\nfixed batch",
    "gradient/total": "aggregate\ngradient",
    "ladder/minibatch-gradient": "minibatch\ngradient",
    "ladder/momentum": "momentum",
    "ladder/adam-direction": "Adam\ndirection",
    "ladder/step-without-decay": "step without\ndecay",
    "ladder/step": "step",
    "update": "update",
    "ladder/update-without-decay": "update with-\nout decay",
}
"""Streams from the gradient down, with their labels; `gradient` stands for the operation's own."""


def ladder(results: RunResults, grok_threshold: float) -> pd.DataFrame:
    r"""A row per operation, window and rung, in the ladder's order.

    Columns: ``op``, ``window``, ``stream``, ``rung``; of R̄ over the measured checkpoints up to the grok step
    ``plateau``, the median, ``mean``, ``low`` and ``high``, the quartiles; ``peak`` over all. An operation that never
    groks has all of training before it; a stream with no whole window there has no row.
    """
    ratios = mean_ratios(results.coupling)
    rows = []
    for op in results.ops:
        grokked = grok_step(results.training, op, grok_threshold)
        for window in sorted(ratios["window"].unique(), reverse=True):
            for rung in RUNGS:
                stream = f"gradient/{op}" if rung == "gradient" else rung
                curve = ratios[(ratios["op"] == op) & (ratios["stream"] == stream) & (ratios["window"] == window)]
                before = curve if grokked is None else curve[curve["step"] <= grokked]
                if before.empty:
                    continue
                low, plateau, high = before["ratio"].quantile([0.25, 0.5, 0.75])
                rows.append(
                    {
                        "op": op,
                        "window": window,
                        "stream": stream,
                        "rung": rung,
                        "plateau": plateau,
                        "mean": before["ratio"].mean(),
                        "low": low,
                        "high": high,
                        "peak": curve["ratio"].max(),
                    }
                )
    return pd.DataFrame(rows)
