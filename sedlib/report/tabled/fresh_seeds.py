"""The paper's seeds apart from fresh ones, and the two beside one another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.paper import SEEDS
from sedlib.report.numbers.seeds import comparison
from sedlib.report.tabled.tables import OPS, at, estimated, not_run, quantity_title, shown

COMMAND = "dvc repro figures@add-7"
QUANTITIES = {
    "single_task": ("grok_step", "gradient_peak", "gradient_plateau", "update_peak", "update_plateau", "w1_peak"),
    "multitask": ("grok_step", "per_op_final", "aggregate_final", "update_final", "w1_final"),
}


def by_seeds(found: Collection) -> tuple[Collection, Collection]:
    """The runs with the paper's seeds, and those with fresh ones; all are the former where no run has a paper's seed.

    What is no run's own, such as interventions, is in both.
    """
    fresh = [run for run, summary in found.summaries.items() if summary["seed"] not in SEEDS]
    if all(run in fresh for run in found.summaries if run not in found.controls):
        fresh = []
    return _without(found, fresh), _without(found, [run for run in found.summaries if run not in fresh])


def _without(found: Collection, runs: list[str]) -> Collection:
    def kept(by_run: Mapping[str, Any]) -> dict[str, Any]:
        return {run: value for run, value in by_run.items() if run not in runs}

    return replace(found, runs=kept(found.runs), summaries=kept(found.summaries), geometry=kept(found.geometry))


def fresh_tables(numbers: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """First and fresh seeds by operation and quantity, and whether their intervals overlap."""
    rows = list(_rows(numbers))
    return {"fresh-seeds": pd.DataFrame(rows) if rows else not_run(COMMAND)}


def _rows(numbers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, quantities in QUANTITIES.items():
        for op in OPS:
            for name in quantities:
                first, fresh = estimated(at(numbers, kind, op, name)), estimated(at(numbers, "fresh", kind, op, name))
                if fresh is None:
                    continue
                yield {
                    "runs": kind.replace("_", " "),
                    "operation": op,
                    "quantity": quantity_title(name),
                    "first seeds": shown(first),
                    "n": first.n if first else 0,
                    "fresh seeds": shown(fresh),
                    "n, fresh": fresh.n,
                    "fresh against first": comparison(fresh, first) if first else "–",
                }
