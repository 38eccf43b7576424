"""Numbers as metrics.json has them: cut to six digits, and means over seeds beside the seeds' own values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report.numbers.digits import rounded
from sedlib.report.numbers.seeds import estimate

DIGITS = 6
Metrics = dict[str, Any]


def over_seeds(values: Mapping[int, float | int | None], reason: str = "never grokked") -> Metrics:
    """Mean and interval of the values that exist, and each seed's own."""
    there = {seed: float(value) for seed, value in values.items() if value is not None and not pd.isna(value)}
    found = estimate(list(there.values())) if there else None
    result: Metrics = {
        "mean": cut(found.mean) if found else None,
        "low": cut(found.low) if found else None,
        "high": cut(found.high) if found else None,
        "n": len(there),
        **{str(seed): cut(there.get(seed)) for seed in sorted(values)},
    }
    lacking = sorted(set(values) - set(there))
    if lacking:
        result["reason"] = f"{reason}: seed {', '.join(map(str, lacking))}"
    return result


def cut(value: float | int | None) -> float | int | None:
    """Six digits, so that the file changes only where a number does."""
    if value is None or pd.isna(value):
        return None
    short = rounded(value, DIGITS)
    return int(short) if short.is_integer() else short
