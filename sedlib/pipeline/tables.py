"""Tidy tables as stages write them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.atomic import replacing


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV."""
    table = pd.DataFrame(list(rows))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
