"""The estimator ladder: how much coupling is left on each rung between the gradient and the update."""

import pandas as pd

from sedlib.report.numbers.results import RunResults, before_grokking, grok_step, mean_ratios

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
    r"""A row per operation, window and rung, in the ladder's order; a rung that ``RUNGS`` does not know comes last.

    Columns: ``op``, ``window``, ``stream``, ``rung``; of R̄ over the measured checkpoints up to the grok step
    ``plateau``, the median, ``mean``, ``low`` and ``high``, the quartiles, all missing where there is none;
    ``peak`` over all checkpoints.
    """
    ratios = mean_ratios(results.coupling)
    rungs = [*RUNGS, *sorted({name for name in ratios["stream"] if name.startswith("ladder/")} - set(RUNGS))]
    rows = []
    for op in results.ops:
        grokked = grok_step(results.training, op, grok_threshold)
        for window in sorted(ratios["window"].unique(), reverse=True):
            for rung in rungs:
                stream = f"gradient/{op}" if rung == "gradient" else rung
                curve = ratios[(ratios["op"] == op) & (ratios["stream"] == stream) & (ratios["window"] == window)]
                if curve.empty:
                    continue
                before = before_grokking(curve, grokked)["ratio"]
                row = {"op": op, "window": window, "stream": stream, "rung": rung}
                spread = dict(zip(("low", "plateau", "high"), before.quantile([0.25, 0.5, 0.75]), strict=True))
                rows.append({**row, **spread, "mean": before.mean(), "peak": curve["ratio"].max()})
    return pd.DataFrame(rows)
