"""One run in a few numbers: grok steps, and peak, final value and plateau of every stream's coupling ratio."""

from typing import Any

import pandas as pd

from sedlib.report.numbers.results import RunResults, before_grokking, grok_step, mean_ratios
from sedlib.report.numbers.rungs import RUNGS

GROK_THRESHOLDS = (0.5, 0.95, 0.98)
"""Test accuracies in use for the grok step; all are reported, beside the one that params.yaml chooses."""

ORDER = list(RUNGS)


def summarise(results: RunResults, seed: int, weight_decay: float | None, grok_threshold: float) -> dict[str, Any]:
    """Summary of the run from ``seed``, by operation; ``weight_decay`` is the run's own, null where it has none.

    Of each stream's R̄ over the measured checkpoints at which its window is whole: peak, the largest; final, the
    last; plateau, the median up to the grok step at ``grok_threshold``. Where there is no grok step, or no whole
    window before it, the value is null and a reason stands beside it.
    """
    ratios = mean_ratios(results.coupling)
    return {
        "seed": seed,
        "weight_decay": weight_decay,
        "last_step": int(results.training["step"].max()),
        "grok_threshold": grok_threshold,
        "ops": {op: _operation(results, ratios[ratios["op"] == op], op, grok_threshold) for op in results.ops},
    }


def _operation(results: RunResults, ratios: pd.DataFrame, op: str, threshold: float) -> dict[str, Any]:
    training = results.training
    grokked = grok_step(training, op, threshold)
    summary: dict[str, Any] = {
        "grok_step": grokked,
        "grok_step_by_threshold": {str(t): grok_step(training, op, t) for t in GROK_THRESHOLDS},
        "streams": {
            f"{stream} W={window}": _curve(curve, grokked)
            for (stream, window), curve in sorted(ratios.groupby(["stream", "window"]), key=_longest_window_first)
        },
    }
    if grokked is None:
        best = training.loc[training["op"] == op, "test_accuracy"].max()
        summary["reason"] = f"test accuracy reached {best:.3f}, not {threshold}, within {training['step'].max()} steps"
    return summary


def _longest_window_first(group: tuple[Any, pd.DataFrame]) -> tuple[int, int]:
    """Within a window from the gradient down the ladder; an operation's own gradient comes first."""
    (stream, window), _ = group
    return -window, ORDER.index(stream) if stream in ORDER else -1


def _curve(curve: pd.DataFrame, grokked: int | None) -> dict[str, float | str | None]:
    numbers: dict[str, float | str | None] = {
        "plateau": None,
        "peak": float(curve["ratio"].max()),
        "final": float(curve["ratio"].iloc[-1]),
    }
    before = before_grokking(curve, grokked)
    if before.empty:
        numbers["reason"] = "never groks" if grokked is None else "no whole window before the grok step"
    else:
        numbers["plateau"] = float(before["ratio"].median())
    return numbers


def as_text(run: str, summary: dict[str, Any]) -> str:
    """The summary as a table for a terminal."""
    lines = [f"{run}: coupling ratio of each stream's basis to a random direction (= 1)", ""]
    for op, values in summary["ops"].items():
        grokked = values["grok_step"]
        lines.append(
            f"{op}: "
            + (f"groks at step {grokked:,}" if grokked is not None else f"never groks ({values['reason']})")
            + f", trained to step {summary['last_step']:,}"
        )
        lines.append(f"  {'stream':<36}{'before grokking':>16}{'peak':>10}{'final':>10}")
        for stream, numbers in values["streams"].items():
            cells = (numbers["plateau"], numbers["peak"], numbers["final"])
            text = ["–" if cell is None else f"{cell:.3g}" for cell in cells]
            lines.append(f"  {stream:<36}{text[0]:>16}{text[1]:>10}{text[2]:>10}")
        lines.append("")
    return "\n".join(lines)
