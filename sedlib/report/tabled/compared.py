"""A row of a table: paper | here | n | verdict."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report.claims.verdicts import NOT_RUN, verdict
from sedlib.report.metrics.reading import estimated, nested, shown
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import Estimate


def compared(labels: Mapping[str, str], reported: Reported | None, numbers: Any) -> dict[str, Any]:
    """A row; ``numbers`` is a number over seeds, a plain number, or None."""
    if numbers is None or isinstance(numbers, Mapping):
        ours, reason = estimated(numbers), nested(numbers or {}, "reason")
    else:
        ours, reason = Estimate(float(numbers), None, None, 1), None
    return {
        **labels,
        "paper": NOTHING if reported is None else str(reported),
        "here": shown(ours) + (f" ({reason})" if ours and reason else ""),
        "n": ours.n if ours else 0,
        "verdict": reason if ours is None and reason else verdict(ours, reported),
    }


def not_run(command: str) -> pd.DataFrame:
    """In place of a table whose stages were not run."""
    return pd.DataFrame([{"verdict": NOT_RUN, "command": command}])
