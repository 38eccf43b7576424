"""Means over seeds with 95 % bootstrap intervals, and what may be said of two of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from sedlib.base.errors import UserError

FEWEST_SEEDS = 3
RESAMPLES = 9999
HEAD = """Mean [95 % bootstrap interval] (n seeds), and how it compares with the update's.
Of three seeds the interval is the range: two equal quantities are called different in one of ten comparisons."""


@dataclass(frozen=True)
class Estimate:
    """Mean over n seeds, with the interval where there are at least three."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{_number(self.mean)} (n = {self.n})"
        return f"{_number(self.mean)} [{_number(self.low)}, {_number(self.high)}] (n = {self.n})"


def estimate(values: Sequence[float | int]) -> Estimate:
    """Mean and 95 % percentile bootstrap interval of one number per seed; the same values give the same interval.

    With three seeds the interval is the range of the values and covers less than 95 %: read it as a lower bound on the
    uncertainty.

    Raises
    ------
    ValueError
        There is no value, or one is not finite.
    """
    if not values or not np.isfinite(values).all():
        raise ValueError(f"an estimate needs finite values, at least one, got {list(values)}")
    mean = float(np.mean(values))
    if len(values) < FEWEST_SEEDS:
        return Estimate(mean, None, None, len(values))
    found = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high), len(values))


def comparison(first: Estimate, second: Estimate) -> str:
    """What may be said of two estimates: no more than their intervals carry."""
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return f"not settled: fewer than {FEWEST_SEEDS} seeds"
    if first.low > second.high:
        return "larger: the intervals do not overlap"
    if first.high < second.low:
        return "smaller: the intervals do not overlap"
    return "not settled: the intervals overlap"


def experiment(summary: Mapping[str, Any]) -> str:
    """What a run has in common with its other seeds: the operations, and the weight decay where it is the run's own."""
    ops, decay = "+".join(summary["ops"]), summary.get("weight_decay")
    return ops if decay is None else f"{ops}, weight decay {decay:g}"


def over_seeds(summaries: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row per experiment, operation and quantity, from the runs' summaries by name; ``estimate`` is over seeds.

    Runs are of one experiment if they learn the same operations and have the same weight decay of their own, or none;
    columns are ``experiment``, ``ops``, ``op``, ``quantity``, ``estimate``, and ``missing``, the seeds for which the
    quantity does not exist (never grokked, no whole window).

    Raises
    ------
    UserError
        Two runs of one experiment have the same seed, so that they are not independent.
    """
    require_different_seeds(summaries)
    values: dict[tuple[str, str, str, str], dict[int, float | None]] = {}
    for summary in summaries.values():
        name, ops = experiment(summary), "+".join(summary["ops"])
        for op, found in summary["ops"].items():
            for quantity, value in _quantities(found):
                by_seed = values.setdefault((name, ops, op, quantity), {})
                by_seed[summary["seed"]] = None if value is None else float(value)
    rows = []
    for (name, ops, op, quantity), by_seed in values.items():
        there = [value for value in by_seed.values() if value is not None]
        rows.append(
            {
                "experiment": name,
                "ops": ops,
                "op": op,
                "quantity": quantity,
                "estimate": estimate(there) if there else None,
                "missing": sorted(seed for seed, value in by_seed.items() if value is None),
            }
        )
    return pd.DataFrame(rows)


def as_text(table: pd.DataFrame) -> str:
    """The table of ``over_seeds`` for a terminal, and whether each stream differs from the update."""
    lines = []
    for (name, ops, op), rows in table.groupby(["experiment", "ops", "op"], sort=False):
        lines += [f"{op}, learned with {name}" if ops != op else str(name)]
        found = dict(zip(rows["quantity"], rows["estimate"], strict=True))
        for quantity, mean in found.items():
            stream, _, rest = quantity.partition(" ")
            other = found.get(f"update {rest}")
            against = comparison(mean, other) if mean and other and stream != "update" else ""
            lines.append(f"  {quantity:<46}{mean or 'in no run'!s:<34}{against}".rstrip())
        lines.append("")
    return "\n".join([HEAD, "", *lines])


def require_different_seeds(summaries: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse runs of one experiment from the same seed, which are not independent.

    Raises
    ------
    UserError
        There are two; the message names them.
    """
    names: dict[tuple[str, int], str] = {}
    for name, summary in summaries.items():
        other = names.setdefault((experiment(summary), summary["seed"]), name)
        if other != name:
            raise UserError(
                f"runs {other} and {name} learn the same operations from the same seed, {summary['seed']}, "
                "with the same weight decay; take one out of params.yaml, or give it another seed"
            )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _quantities(op: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    yield "grok step", op["grok_step"]
    for stream, numbers in op["streams"].items():
        for name in ("plateau", "peak", "final"):
            yield f"{stream} {name}", numbers[name]
