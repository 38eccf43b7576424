"""Ratios that the claims are about, from the other numbers in metrics.json alone."""

from collections.abc import Mapping
from typing import Any

from sedlib.report.numbers.rounding import Metrics, cut, over_seeds
from sedlib.report.tabled.tables import OPS, at, not_controls

RATIOS = {
    "single_task": {
        "gradient_over_update": ("gradient_peak", "update_peak"),
        "w1_over_gradient": ("w1_peak", "gradient_peak"),
    },
    "multitask": {
        "aggregate_over_per_op": ("aggregate_final", "per_op_final"),
        "w1_over_per_op": ("w1_final", "per_op_final"),
    },
}
CONTAMINATIONS = {
    "momentum": ("ladder/momentum", "ladder/minibatch-gradient"),
    "scaling": ("ladder/adam-direction", "ladder/momentum"),
    "decay": ("ladder/step", "ladder/step-without-decay"),
    "interval": ("update", "ladder/step"),
}
"""Rungs below and above each part of AdamW, and the steps between two checkpoints."""


def derived(numbers: Mapping[str, Any]) -> Metrics:
    """Ratios of two quantities seed by seed; spreads over operations; the factor that each part of AdamW leaves."""
    spreads = {name: _spread(numbers, f"{name}_peak") for name in ("update", "gradient")}
    return {
        **{
            kind: {op: by_name for op in OPS if (by_name := _ratios(at(numbers, kind, op) or {}, names))}
            for kind, names in RATIOS.items()
        },
        "spread": {name: spread for name, spread in spreads.items() if spread is not None},
        "left": {
            kind: left
            for kind, several in (("single_task", False), ("multitask", True))
            if (left := _all_left(numbers, several=several))
        },
    }


def _ratios(of_op: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Metrics:
    found = {}
    for name, pair in names.items():
        above, below = (at(of_op, quantity) or {} for quantity in pair)
        seeds = [key for key in above if key.lstrip("-").isdigit() and above[key] and below.get(key)]
        if seeds:
            found[name] = over_seeds({int(seed): above[seed] / below[seed] for seed in seeds})
    return found


def _spread(numbers: Mapping[str, Any], quantity: str) -> Metrics | None:
    """Largest over smallest of the paper's operations, of each seed with which all of them were run."""
    found = [at(numbers, "single_task", op, quantity) or {} for op in OPS]
    seeds = [key for key in found[0] if key.isdigit() and all(of_op.get(key) for of_op in found)]
    by_seed = {int(seed): [of_op[seed] for of_op in found] for seed in seeds}
    return over_seeds({seed: max(values) / min(values) for seed, values in by_seed.items()}) if seeds else None


def _all_left(numbers: Mapping[str, Any], *, several: bool) -> Metrics:
    runs = not_controls(numbers, at(numbers, "ladder") or {}).values()
    of_kind = [run for run in runs if ("gradient/total" in run) == several]
    left = {name: _left(of_kind, *rungs) for name, rungs in CONTAMINATIONS.items()}
    return {name: factor for name, factor in left.items() if factor is not None}


def _left(runs: list[Mapping[str, Any]], below: str, above: str) -> float | int | None:
    """Mean over runs of R̄ before grokking on one rung over that on another."""
    pairs = [(at(run, below, "mean_before_grok"), at(run, above, "mean_before_grok")) for run in runs]
    left = [low / high for low, high in pairs if low and high]
    return cut(sum(left) / len(left)) if left else None
