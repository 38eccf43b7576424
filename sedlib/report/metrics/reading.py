"""The numbers of metrics.json as claims, tables and figures read them."""

from collections.abc import Mapping
from typing import Any

from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate

Numbers = Mapping[str, Any]
PHASES = ("init", "mid", "after")
TITLES = {
    "per_op_peak": "own gradient peak",
    "per_op_final": "own gradient final",
    "aggregate_peak": "aggregate gradient peak",
    "aggregate_final": "aggregate gradient final",
    "per_example": "R̄ of per-example gradients",
    "mean_gradient": "R̄ of the mean gradient",
    "window": "R̄ of the window",
    "cosine": "cosine of per-example direction and mean gradient",
    "rank90_logit": "rank-90, simplified centroid",
    "rank90_full": "rank-90, full centroid",
    "row_cosine": "cosine of the two centroids at a probe",
    "top1_cosine": "cosine of the two centroids' first component",
    "top3_cosine": "cosine of the two centroids' first three components",
    "per_example_logit": "R̄ of per-example gradients, simplified centroid",
    "per_example_full": "R̄ of per-example gradients, full centroid",
    "window_logit": "R̄ of the window, simplified centroid",
    "window_full": "R̄ of the window, full centroid",
}
"""Quantities of metrics.json whose names say too little."""


def nested(numbers: Numbers, *keys: str) -> Any:
    """The value under nested keys; None where one is missing."""
    for key in keys:
        if not isinstance(numbers, Mapping) or key not in numbers:
            return None
        numbers = numbers[key]
    return numbers


def estimated(numbers: Numbers | None) -> Estimate | None:
    """A number over seeds as metrics.json has it."""
    if not numbers:
        return None
    mean, low, high = (None if numbers[key] is None else float(numbers[key]) for key in ("mean", "low", "high"))
    return None if mean is None else Estimate(mean, low, high, numbers["n"])


def by_seed(numbers: Numbers | None) -> dict[int, float | int]:
    """The values of a number over seeds by seed; a seed without one, and one whose value is 0, is left out."""
    return {int(key): value for key, value in (numbers or {}).items() if key.lstrip("-").isdecimal() and value}


def sped_up(found: Numbers) -> dict[str, Any] | None:
    """An intervention's speed-up as a number over seeds."""
    if found.get("speedup") is None:
        return None
    return {key: found[f"speedup_{key}"] for key in ("low", "high", "n")} | {"mean": found["speedup"]}


def of_phase(found: Numbers, name: str) -> dict[str, Any] | None:
    """A number of one phase as a number over seeds; None where it was not measured."""
    if found.get(name) is None:
        return None
    return {"mean": found[name], "low": found.get(f"{name}_low"), "high": found.get(f"{name}_high"), "n": found["n"]}


def of_leads(test: Numbers) -> dict[str, Any] | None:
    """The mean lead of some runs as a number over these runs; None where none has a lead."""
    return (
        {"mean": test["mean"], "low": test.get("low"), "high": test.get("high"), "n": test["n"]} if test["n"] else None
    )


def not_controls(numbers: Numbers, by_run: Numbers) -> dict[str, Any]:
    """Of the numbers by run, those of the runs that the paper's claims are about."""
    return {run: found for run, found in by_run.items() if run not in (nested(numbers, "controls") or {})}


def shown(estimate: Estimate | None, reason: str | None = None) -> str:
    """An estimate for a table, without its n, which has a column of its own."""
    if estimate is None:
        return reason or NOTHING
    if estimate.low is None or estimate.high is None:
        return number(estimate.mean)
    return f"{number(estimate.mean)} [{number(estimate.low)}, {number(estimate.high)}]"


def quantity_title(name: str) -> str:
    """A quantity of metrics.json in words."""
    return TITLES.get(name) or name.replace("_", " ").replace("w1", "W = 1")
