"""Ratios that the claims are about, from the other numbers in metrics.json alone."""

from collections.abc import Mapping
from typing import Any

from sedlib.report.metrics.reading import by_seed, nested, not_controls
from sedlib.report.metrics.rounding import Metrics, over_seeds
from sedlib.report.numbers.collection import KINDS, Kind
from sedlib.report.numbers.paper import OPS
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, ladder_stream

RATIOS = {
    "single_task": {
        "gradient_over_update": ("gradient_peak", "update_peak"),
        "w1_over_gradient": ("w1_peak", "gradient_peak"),
        "late_gradient_over_update": ("gradient_late", "update_late"),
        "late_w1_over_gradient": ("w1_late", "gradient_late"),
        "plateau_gradient_over_update": ("gradient_plateau", "update_plateau"),
        "plateau_w1_over_gradient": ("w1_plateau", "gradient_plateau"),
    },
    "multitask": {
        "aggregate_over_per_op": ("aggregate_final", "per_op_final"),
        "w1_over_per_op": ("w1_final", "per_op_final"),
    },
}
CONTAMINATIONS = {
    "momentum": (ladder_stream("momentum"), ladder_stream("minibatch-gradient")),
    "scaling": (ladder_stream("adam-direction"), ladder_stream("momentum")),
    "decay": (ladder_stream("step"), ladder_stream("step-without-decay")),
    "interval": (UPDATE, ladder_stream("step")),
}
"""Rungs below and above each part of AdamW, and the steps between two checkpoints."""


def derived(numbers: Mapping[str, Any]) -> Metrics:
    """Ratios of two quantities seed by seed; spreads over operations; the factor that each part of AdamW leaves."""
    spreads = {name: _spread(numbers, f"{name}_peak") for name in ("update", "gradient")}
    others = [f"{name}_{reading}" for reading in ("late", "plateau") for name in ("update", "gradient")]
    spreads |= {name: _spread(numbers, name) for name in others}
    spreads |= {
        f"difference{reading}": _less(spreads[f"gradient{reading}"], spreads[f"update{reading}"])
        for reading in ("", "_late", "_plateau")
    }
    return {
        **{
            kind: {op: by_name for op in OPS if (by_name := _ratios(nested(numbers, kind, op) or {}, names))}
            for kind, names in RATIOS.items()
        },
        "spread": {name: spread for name, spread in spreads.items() if spread is not None},
        "left": {kind: left for kind in KINDS if (left := _all_left(numbers, kind))},
    }


def _ratios(of_op: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Metrics:
    found = {}
    for name, pair in names.items():
        above, below = (by_seed(nested(of_op, quantity)) for quantity in pair)
        seeds = [seed for seed in above if seed in below]
        if seeds:
            found[name] = over_seeds({seed: above[seed] / below[seed] for seed in seeds})
    return found


def _spread(numbers: Mapping[str, Any], quantity: str) -> Metrics | None:
    """Largest over smallest of the paper's operations, of each seed with which all of them were run."""
    found = [by_seed(nested(numbers, "single_task", op, quantity)) for op in OPS]
    values = {seed: [of_op[seed] for of_op in found] for seed in found[0] if all(seed in of_op for of_op in found)}
    return over_seeds({seed: max(peaks) / min(peaks) for seed, peaks in values.items()}) if values else None


def _less(first: Metrics | None, second: Metrics | None) -> Metrics | None:
    """The first less the second, of each seed that has both."""
    values, others = by_seed(first), by_seed(second)
    seeds = [seed for seed in values if seed in others]
    return over_seeds({seed: values[seed] - others[seed] for seed in seeds}) if seeds else None


def _all_left(numbers: Mapping[str, Any], kind: Kind) -> Metrics:
    runs = not_controls(numbers, nested(numbers, "ladder") or {}).values()
    of_kind = [run for run in runs if (TOTAL_GRADIENT in run) == (kind == "multitask")]
    return {key: value for name, rungs in CONTAMINATIONS.items() for key, value in _left(of_kind, name, *rungs).items()}


def _left(runs: list[Mapping[str, Any]], name: str, below: str, above: str) -> Metrics:
    """R̄ before grokking on one rung over that on another: the mean over runs, with the ends of its interval."""
    pairs = [(nested(run, below, "mean_before_grok"), nested(run, above, "mean_before_grok")) for run in runs]
    left = [low / high for low, high in pairs if low and high]
    found = over_seeds(dict(enumerate(left)))
    return {name: found["mean"], f"{name}_low": found["low"], f"{name}_high": found["high"]} if left else {}
