"""Tidy tables as files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV."""
    table = pd.DataFrame(list(rows))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def read_table(path: Path, remedy: str) -> pd.DataFrame:
    """The table in a CSV file; ``remedy`` is the command that writes it.

    Raises
    ------
    UserError
        It is missing or unreadable; the message names the file and the remedy.
    """
    if not path.exists():
        raise UserError(f"{path} is missing; run `{remedy}`")
    try:
        return pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not a readable table ({error}); restore it with `dvc checkout --force {path}`"
        ) from error
