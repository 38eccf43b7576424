"""The paper's seeds and fresh ones beside one another."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from sedlib.report.metrics.reading import estimated, nested, quantity_title, shown
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.numbers.paper import OPS
from sedlib.report.numbers.seeds import comparison
from sedlib.report.tabled.compared import not_run

COMMAND = "dvc repro figures@add-7"
QUANTITIES = {
    "single_task": ("grok_step", "gradient_peak", "gradient_plateau", "update_peak", "update_plateau", "w1_peak"),
    "multitask": ("grok_step", "per_op_final", "aggregate_final", "update_final", "w1_final"),
}


def fresh_tables(numbers: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """First and fresh seeds by operation and quantity, and whether their intervals overlap."""
    rows = list(_rows(numbers))
    return {"fresh-seeds": pd.DataFrame(rows) if rows else not_run(COMMAND)}


def _rows(numbers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, quantities in QUANTITIES.items():
        for op in OPS:
            for name in quantities:
                first, fresh = (
                    estimated(nested(numbers, kind, op, name)),
                    estimated(nested(numbers, "fresh", kind, op, name)),
                )
                if fresh is None:
                    continue
                yield {
                    "runs": kind.replace("_", " "),
                    "operation": op,
                    "quantity": quantity_title(name),
                    "paper's seeds": shown(first),
                    "n": first.n if first else 0,
                    "fresh seeds": shown(fresh),
                    "n (fresh)": fresh.n,
                    "comparison": comparison(fresh, first) if first else NOTHING,
                }
