"""The estimator ladder: how much coupling is left on each rung between the gradient and the update."""

from collections.abc import Iterable

import pandas as pd

from sedlib.report.numbers.results import RunResults, before_grokking, grok_step, mean_ratios
from sedlib.terms.stream_names import LADDER, TOTAL_GRADIENT, UPDATE, StreamName, gradient_of, ladder_stream

OWN_GRADIENT = "gradient"
"""The rung of the gradient of the operation that is looked at."""
RUNGS = {
    OWN_GRADIENT: "gradient,\nfixed batch",
    TOTAL_GRADIENT: "aggregate\ngradient",
    ladder_stream("minibatch-gradient"): "minibatch\ngradient",
    ladder_stream("momentum"): "momentum",
    ladder_stream("adam-direction"): "Adam\ndirection",
    ladder_stream("step-without-decay"): "step without\ndecay",
    ladder_stream("step"): "step",
    UPDATE: "update",
    ladder_stream("update-without-decay"): "update with-\nout decay",
}
"""From the gradient down, with the labels of an axis: streams, but for ``OWN_GRADIENT``."""


def rung_label(label: str) -> str:
    """A rung's label on one line."""
    return label.replace("-\n", "").replace("\n", " ")


def streams_on(rung: str, streams: Iterable[str]) -> list[str]:
    """Which of the ``streams`` stand on a rung: on ``OWN_GRADIENT``, the gradient of every operation."""
    own = rung == OWN_GRADIENT
    return [stream for stream in streams if (StreamName.of(stream).task is not None if own else stream == rung)]


def ladder(results: RunResults, grok_threshold: float) -> pd.DataFrame:
    r"""A row per operation, window and rung, in the ladder's order; a rung that ``RUNGS`` does not know comes last.

    Columns: ``op``, ``window``, ``stream``, ``rung``; of R̄ over the measured checkpoints up to the grok step
    ``plateau``, the median, ``mean``, ``low`` and ``high``, the quartiles, all missing where there is none;
    ``peak`` over all checkpoints.
    """
    ratios = mean_ratios(results.coupling)
    unknown = {name for name in ratios["stream"] if StreamName.of(name).kind == LADDER} - set(RUNGS)
    rungs = [*RUNGS, *sorted(unknown)]
    rows = []
    for op in results.ops:
        grokked = grok_step(results.training, op, grok_threshold)
        for window in sorted(ratios["window"].unique(), reverse=True):
            for rung in rungs:
                stream = gradient_of(op) if rung == OWN_GRADIENT else rung
                curve = ratios[(ratios["op"] == op) & (ratios["stream"] == stream) & (ratios["window"] == window)]
                if curve.empty:
                    continue
                before = before_grokking(curve, grokked)["ratio"]
                row = {"op": op, "window": window, "stream": stream, "rung": rung}
                spread = dict(zip(("low", "plateau", "high"), before.quantile([0.25, 0.5, 0.75]), strict=True))
                rows.append({**row, **spread, "mean": before.mean(), "peak": curve["ratio"].max()})
    return pd.DataFrame(rows)
