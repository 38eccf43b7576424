"""The numbers that a person compares, as DVC's metrics: the report's in headline.json, each run's in a file of its own.

DVC makes a column of each, so that there are few, and their names are short: all of the report's fit beside an
experiment's name in a terminal of 160 characters.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sedlib.report.metrics.curves_of_runs import gradient_alone, longest_window, update_of
from sedlib.report.metrics.reading import nested
from sedlib.report.metrics.rounding import Metrics, cut
from sedlib.report.numbers.paper import OPS
from sedlib.terms.stream_names import gradient_of

MEANS = {
    "grok": ("single_task", "grok_step"),
    "gradient": ("single_task", "gradient_peak"),
    "update": ("single_task", "update_peak"),
    "w1": ("single_task", "w1_peak"),
    "multi_gradient": ("multitask", "per_op_final"),
    "multi_total": ("multitask", "aggregate_final"),
    "multi_update": ("multitask", "update_final"),
}
"""Where metrics.json has each quantity, by its name in headline.json: the mean over seeds, of each operation."""
SPEEDUPS = {"keep_random": "keep-random", "keep_sed": "keep-sed-raw"}
"""Conditions on the gradient whose speed-up is a headline."""


def report_headline(numbers: Mapping[str, Any], inside: int) -> Metrics:
    """Means of metrics.json over the paper's operations, and how many claims are inside the paper's range."""
    by_op = {
        name: [nested(numbers, kind, op, quantity, "mean") for op in OPS] for name, (kind, quantity) in MEANS.items()
    }
    conditions = nested(numbers, "interventions", "gradient") or {}
    by_op |= {
        name: [nested(of_op, condition, "speedup") for of_op in conditions.values()]
        for name, condition in SPEEDUPS.items()
    }
    return {
        **{name: _mean(found) for name, found in by_op.items()},
        "lead": nested(numbers, "leads", "single_task", "mean"),
        "inside": inside,
    }


def run_headline(summary: Mapping[str, Any]) -> Metrics:
    """The step at which a run's last task groks, and plateau and peak of R̄ as means over the run's tasks.

    R̄ is that of the gradient's and the update's basis with the longest window, and of the gradient alone, W = 1.
    """
    tasks: Mapping[str, Mapping[str, Any]] = summary["ops"]
    steps = [numbers["grok_step"] for numbers in tasks.values()]
    curves = {
        "gradient": [longest_window(numbers, gradient_of(task)) for task, numbers in tasks.items()],
        "update": [longest_window(numbers, update_of(task)) for task, numbers in tasks.items()],
        "w1": [gradient_alone(numbers, task) for task, numbers in tasks.items()],
    }
    return {
        "grok_step": None if None in steps else max(steps),
        **{
            f"{name}_{quantity}": _mean_of_all([curve[quantity] for curve in of_tasks])
            for name, of_tasks in curves.items()
            for quantity in ("plateau", "peak")
        },
    }


def _mean(values: Iterable[float | int | None]) -> float | int | None:
    """Mean of the values that exist."""
    found = [value for value in values if value is not None]
    return cut(sum(found) / len(found)) if found else None


def _mean_of_all(values: Sequence[float | int | None]) -> float | int | None:
    """Mean of the values; None where one is None, as a mean over fewer tasks would be of another kind."""
    return None if None in values else _mean(values)
