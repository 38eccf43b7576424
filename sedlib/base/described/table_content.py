"""The content of a CSV file, compared with the schema of its table."""

import io
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sedlib.base.described.description import shown
from sedlib.base.described.table_schema import ROUNDING, STEP, Column, TableSchema

LARGEST_INTEGER = 2**53
"""Whole numbers beyond it are not told apart in float64, which holds them where a column has empty cells."""
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|-?inf"
STRING = r'[^",\x00-\x1f\x7f]+|"(?:[^"\x00-\x1f\x7f]|"")+"'


class TableError(ValueError):
    """The content breaks the schema; the message says what was found."""


def checked(content: bytes, schema: TableSchema) -> tuple[list[Column], pd.DataFrame]:
    """The columns and values of a table, compared with its schema.

    Raises
    ------
    TableError
        They are not what the schema says.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise TableError(f"no UTF-8 ({error.reason} at byte {error.start})") from error
    head = text.partition("\n")[0]
    columns = schema.columns_of(head.split(","))
    if isinstance(columns, str):
        raise TableError(f"the columns {shown(head)}, not {columns}")
    _require_form(text, len(head) + 1, columns)
    table = _parsed(content, columns)
    found = pd.DataFrame({column.name: _values(table[column.name], column) for column in columns})
    _require_order(found, schema)
    return columns, found


def _require_form(text: str, start: int, columns: Sequence[Column]) -> None:
    """Each line from ``start`` on has a value of the right kind for each column, written as pandas writes it."""
    if start >= len(text) or not text.endswith("\n"):
        raise TableError("no whole line at its end")
    forms = [_form(column) for column in columns]
    line = re.compile(",".join(forms) + "\n")
    row = 1
    while start < len(text):
        whole = line.match(text, start)
        if not whole:
            found = text[start:].partition("\n")[0]
            places = range(len(columns))
            wrong = next((i for i in places if not re.match(",".join(forms[: i + 1]) + "(?:,|$)", found)), -1)
            raise TableError(f"{shown(found)} in row {row}, no {columns[wrong].kind} in column {columns[wrong].name}")
        start, row = whole.end(), row + 1


def _form(column: Column) -> str:
    return f"(?:{STRING if column.kind == 'string' else NUMBER}{'|' if column.may_be_empty else ''})"


def _parsed(content: bytes, columns: Sequence[Column]) -> pd.DataFrame:
    """The table; only an empty cell is a missing value, as a task may be called NA."""
    return pd.read_csv(
        io.BytesIO(content),
        dtype={column.name: str if column.kind == "string" else "float64" for column in columns},
        keep_default_na=False,
        na_values=[""],
    )


def _values(values: pd.Series, column: Column) -> pd.Series:
    """A column's values, whole numbers as such, after they were compared with what it may hold."""
    if column.kind == "string":
        return values
    numbers = values.to_numpy()
    if not column.may_be_infinite:
        _refuse(np.isinf(numbers), values, column, "a finite number")
    if column.minimum is not None:
        _refuse(numbers < column.minimum - ROUNDING, values, column, f"at least {column.minimum}")
    if column.maximum is not None:
        _refuse(numbers > column.maximum + ROUNDING, values, column, f"at most {column.maximum}")
    if column.kind == "integer":
        beyond = (numbers % 1 != 0) | (np.abs(numbers) > LARGEST_INTEGER)
        _refuse(beyond & ~np.isnan(numbers), values, column, "a whole number")
    return values if column.kind == "number" or np.isnan(numbers).any() else values.astype("int64")


def _refuse(where: np.ndarray, values: pd.Series, column: Column, expected: str) -> None:
    if where.any():
        row = int(where.argmax())
        raise TableError(f"{values.iloc[row]} in column {column.name}, row {row + 1}, not {expected}")


def _require_order(table: pd.DataFrame, schema: TableSchema) -> None:
    """Refuse two rows with one key, and steps that do not grow among rows whose keys differ by the step alone."""
    keys = table[list(schema.key)]
    if (again := keys.duplicated().to_numpy()).any():
        row = int(again.argmax())
        raise TableError(f"a second row of {shown(str(keys.iloc[row].to_dict()))}, row {row + 1}")
    if STEP not in schema.key or table[STEP].is_monotonic_increasing:
        return
    others = [name for name in schema.key if name != STEP]
    grouped = table.groupby(others, dropna=False, sort=False)[STEP] if others else table[STEP]
    if (back := (grouped.diff() < 0).to_numpy()).any():
        row = int(back.argmax())
        raise TableError(f"step {table[STEP].iloc[row]} after a later one, row {row + 1}")
