"""The gradient's coupling ratio over that of gradients on permuted answers, over seeds."""

import pandas as pd

from sedlib.report.metrics.rounding import Metrics, over_seeds
from sedlib.report.numbers.collection import Collection


def over_permuted(found: Collection) -> Metrics:
    """By operation, of the runs of one operation: median up to the grok step, value at the peak of R̄, last value."""
    by_op: dict[str, dict[int, Metrics]] = {}
    for run, table in found.permuted.items():
        if run in found.counted("single_task"):
            summary = found.summaries[run]
            for op, values in summary["ops"].items():
                own = table[(table["op"] == op) & (table["window"] == table["window"].max())]
                by_op.setdefault(op, {})[summary["seed"]] = _readings(own, values["grok_step"])
    return {
        op: {
            reading: over_seeds({seed: values[reading] for seed, values in by_seed.items()})
            for reading in ("plateau", "peak", "final")
        }
        for op, by_seed in sorted(by_op.items())
    }


def _readings(own: pd.DataFrame, grokked: int | None) -> Metrics:
    known = own.dropna(subset="ratio").sort_values("step")
    if known.empty:
        return {"plateau": None, "peak": None, "final": None}
    over = (known["ratio"] / known["permuted_mean"]).set_axis(known["step"])
    before = over[over.index <= (-1 if grokked is None else grokked)]
    return {
        "plateau": None if before.empty else float(before.median()),
        "peak": float(over.iloc[int(known["ratio"].to_numpy().argmax())]),
        "final": float(over.iloc[-1]),
    }
