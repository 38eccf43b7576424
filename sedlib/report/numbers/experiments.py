"""Runs that differ by their seed alone are one experiment: their means, and a refusal of two from one seed."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.seeds import comparison, estimate
from sedlib.report.numbers.summary import by_stream_and_window, stream_key
from sedlib.terms.stream_names import UPDATE

HEAD = """Mean [95 % bootstrap interval] (n seeds), and how it compares with the update's.
Of three seeds the interval is the range: a difference is a false positive in 10 % of comparisons."""


def experiment(summary: Mapping[str, Any]) -> str:
    """What a run has in common with its other seeds: the operations, and the weight decay where it is the run's own."""
    ops, decay = "+".join(summary["ops"]), summary.get("weight_decay")
    return ops if decay is None else f"{ops}, weight decay {decay:g}"


def seed_means(summaries: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row per experiment, operation and quantity, from the runs' summaries by name; ``estimate`` is over seeds.

    Runs are of one experiment if they learn the same operations and have the same weight decay of their own, or none;
    columns are ``experiment``, ``ops``, ``op``, ``quantity``, ``of_update``, the update's quantity that it is compared
    with, ``estimate``, and ``missing``, the seeds for which the quantity does not exist (never grokked, no whole
    window).

    Raises
    ------
    UserError
        Two runs of one experiment have the same seed, so that they are not independent.
    """
    require_different_seeds(summaries)
    values: dict[tuple[str, str, str, str, str | None], dict[int, float | None]] = {}
    for summary in summaries.values():
        name, ops = experiment(summary), "+".join(summary["ops"])
        for op, found in summary["ops"].items():
            for quantity, of_update, value in _quantities(found):
                by_seed = values.setdefault((name, ops, op, quantity, of_update), {})
                by_seed[summary["seed"]] = None if value is None else float(value)
    columns = ["experiment", "ops", "op", "quantity", "of_update"]
    rows = []
    for labels, by_seed in values.items():
        there = [value for value in by_seed.values() if value is not None]
        missing = sorted(seed for seed, value in by_seed.items() if value is None)
        means = {"estimate": estimate(there) if there else None, "missing": missing}
        rows.append({**dict(zip(columns, labels, strict=True)), **means})
    return pd.DataFrame(rows)


def _quantities(op: Mapping[str, Any]) -> Iterator[tuple[str, str | None, float | None]]:
    """Name, the name of the update's with the same window, and value."""
    yield "grok step", None, op["grok_step"]
    for (stream, window), numbers in by_stream_and_window(op["streams"]).items():
        for name in ("plateau", "peak", "final"):
            of_update = None if stream == UPDATE else f"{stream_key(UPDATE, window)} {name}"
            yield f"{stream_key(stream, window)} {name}", of_update, numbers[name]


def as_text(table: pd.DataFrame) -> str:
    """The table of ``seed_means`` for a terminal, and whether each stream differs from the update."""
    lines = []
    for (name, ops, op), rows in table.groupby(["experiment", "ops", "op"], sort=False):
        lines += [f"{op}, learned with {name}" if ops != op else str(name)]
        found = dict(zip(rows["quantity"], rows["estimate"], strict=True))
        for (quantity, mean), of_update in zip(found.items(), rows["of_update"], strict=True):
            other = found.get(of_update)
            against = comparison(mean, other) if mean and other else ""
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
