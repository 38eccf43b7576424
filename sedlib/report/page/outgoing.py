"""Tables as they leave: CSV and Markdown in which a word from outside stays a word.

Words in a table may come from somebody else's results or params.yaml. A spreadsheet computes a cell that begins with =,
+, - or @. In Markdown, < begins HTML, | ends a cell and ]( makes a link.
"""

import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.report.numbers.digits import NOTHING

FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
"""How a cell begins that a spreadsheet takes for a formula."""
FEW = 100
"""Different values of a column that is kept as places among them."""
NUMBER = re.compile(r"[+-]?[\d.,]+(?:e[+-]?\d+)?(?: \[[\d.,e+\- ]+\])?")
"""A number as the report prints it, with its interval."""
ENTITIES = {"&": "&amp;", "<": "&lt;", "|": "&#124;", "`": "&#96;", "](": "&#93;(", "\r": " ", "\n": " "}
"""What stands for each mark of Markdown: an entity is never markup itself, as what follows a backslash may be."""


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table, an apostrophe before each text that a spreadsheet would compute."""
    return _texts(table, lambda text: f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text)


def without_markup(table: pd.DataFrame) -> pd.DataFrame:
    """The table, its texts as Markdown that shows them as they are."""
    marks = re.compile("|".join(map(re.escape, ENTITIES)))
    return _texts(table, lambda text: marks.sub(lambda mark: ENTITIES[mark[0]], text))


def as_csv(name: str, table: pd.DataFrame) -> str:
    """The table as CSV.

    Raises
    ------
    UserError
        A number is infinite; the message names table, column and row.
    """
    for column, values in table.select_dtypes("number").items():
        for row in np.flatnonzero(np.isinf(values.to_numpy(dtype=float, na_value=np.nan)))[:1]:
            raise UserError(
                f"table {name} of the report must hold finite numbers; column {column} of row {row} is "
                f"{values.iloc[row]}: the results that it comes from are broken; restore them with `dvc checkout`"
            )
    return without_formulas(table).to_csv(index=False)


def as_markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, with a line feed at its end."""
    return f"{without_markup(table).to_markdown(index=False)}\n"


def write_both(folder: Path, name: str, table: pd.DataFrame, shown: pd.DataFrame, above: str = "") -> None:
    """Write ``table`` as NAME.csv, and ``shown``, the table for a reader, as NAME.md below the lines ``above``."""
    absent = shown.astype(object).where(shown.notna(), NOTHING)
    for suffix, text in {"csv": as_csv(name, table), "md": above + as_markdown(absent)}.items():
        with replacing(folder / f"{name}.{suffix}") as path:
            path.write_text(text, encoding="utf-8")


def columns_of(table: pd.DataFrame) -> dict[Hashable, list[Any]]:
    """By column, values that JSON has: None where there is none."""
    return {
        name: [None if absent else value for value, absent in zip(values.tolist(), values.isna(), strict=True)]
        for name, values in table.items()
    }


def compact(table: pd.DataFrame) -> dict[Hashable, Any]:
    """``columns_of``, a column of few different values as those values and the place of each row's among them."""
    found: dict[Hashable, Any] = {}
    for name, values in columns_of(table).items():
        levels = list(dict.fromkeys(values))
        few = len(levels) <= FEW
        found[name] = {"levels": levels, "places": list(map(levels.index, values))} if few else values
    return found


def _texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    found = {name: values.map(changed) for name, values in table.select_dtypes(exclude="number").items()}
    return table.assign(**{str(name): values for name, values in found.items()}).rename(columns=changed)
