"""One run in a few numbers: grok steps, and peak, final value and plateau of every stream's coupling ratio."""

from collections.abc import Mapping
from typing import Any, TypeVar

import pandas as pd

from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.results import RunResults, before_grokking, grok_step, mean_ratios
from sedlib.report.numbers.rungs import RUNGS

GROK_THRESHOLDS = (0.5, 0.95, 0.98)
"""Test accuracies in use for the grok step; all are reported, beside the one that params.yaml chooses."""

NO_ACCURACY = "the study measures no test accuracy"
"""Why a run of some studies has no grok step."""

ORDER = list(RUNGS)

Numbers = TypeVar("Numbers")


def stream_key(stream: str, window: int) -> str:
    """A stream with the window of its basis, as summaries and their readers name it."""
    return f"{stream} W={window}"


def by_stream_and_window(streams: Mapping[str, Numbers]) -> dict[tuple[str, int], Numbers]:
    """A summary's streams by stream and window; nothing else takes the summary's keys apart."""
    parts = {key: key.rpartition(" W=") for key in streams}
    return {(stream, int(window)): streams[key] for key, (stream, _, window) in parts.items()}


def summarise(results: RunResults, labels: Mapping[str, Any], grok_threshold: float) -> dict[str, Any]:
    """Summary of the run by task, after the study's own ``labels`` of it, such as its seed.

    Of each stream's R̄ over the measured checkpoints at which its window is whole: peak, the largest; final, the
    last; plateau, the median up to the grok step at ``grok_threshold``. Where there is no grok step, or no whole
    window before it, the value is null and a reason stands beside it.
    """
    ratios = mean_ratios(results.coupling)
    return {
        **labels,
        "last_step": int(results.training["step"].max()),
        "grok_threshold": grok_threshold,
        "ops": {op: _operation(results, ratios[ratios["op"] == op], op, grok_threshold) for op in results.ops},
    }


def _operation(results: RunResults, ratios: pd.DataFrame, op: str, threshold: float) -> dict[str, Any]:
    training = results.training
    grokked = grok_step(training, op, threshold)
    groups: list[tuple[Any, pd.DataFrame]] = sorted(ratios.groupby(["stream", "window"]), key=_longest_window_first)
    summary: dict[str, Any] = {
        "grok_step": grokked,
        "grok_step_by_threshold": {str(t): grok_step(training, op, t) for t in GROK_THRESHOLDS},
        "streams": {stream_key(stream, window): _curve(curve, grokked) for (stream, window), curve in groups},
    }
    if "test_accuracy" not in training:
        _without_accuracy(summary)
    elif grokked is None:
        best = training.loc[training["op"] == op, "test_accuracy"].max()
        summary["reason"] = f"test accuracy reached {best:.3f}, not {threshold}, within {training['step'].max()} steps"
    return summary


def _without_accuracy(summary: dict[str, Any]) -> None:
    """The summary of a run without an accuracy: neither the run nor a stream is said to have failed to grok."""
    for numbers in (summary, *summary["streams"].values()):
        numbers["reason"] = NO_ACCURACY


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


def _outcome(values: dict[str, Any]) -> str:
    if values["grok_step"] is not None:
        return f"groks at step {number(values['grok_step'])}"
    return NO_ACCURACY if values["reason"] == NO_ACCURACY else f"never groks ({values['reason']})"


def as_text(run: str, summary: dict[str, Any]) -> str:
    """The summary as a table for a terminal."""
    lines = [f"{run}: coupling ratio of each stream's basis to a random direction (= 1)", ""]
    for op, values in summary["ops"].items():
        lines.append(f"{op}: {_outcome(values)}, trained to step {number(summary['last_step'])}")
        lines.append(f"  {'stream':<36}{'before grokking':>16}{'peak':>10}{'final':>10}")
        for stream, numbers in values["streams"].items():
            cells = (numbers["plateau"], numbers["peak"], numbers["final"])
            text = [NOTHING if cell is None else number(cell) for cell in cells]
            lines.append(f"  {stream:<36}{text[0]:>16}{text[1]:>10}{text[2]:>10}")
        lines.append("")
    return "\n".join(lines)
