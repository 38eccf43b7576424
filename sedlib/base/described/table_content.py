"""The content of a CSV file, compared with the schema of its table."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sedlib.base.described.description import shown
from sedlib.base.described.table_schema import ROUNDING, STEP, Column, TableSchema

LARGEST_INTEGER = 2**53
"""Whole numbers beyond it are not told apart in float64, which holds them where a column has empty cells."""
UNREADABLE = (ValueError, OverflowError)  # what pandas raises on broken CSV; its own errors are kinds of ValueError


class TableError(ValueError):
    """The content breaks the schema; the message says what was found."""


def checked(content: bytes, schema: TableSchema) -> tuple[list[Column], pd.DataFrame]:
    """Columns and values.

    Raises
    ------
    TableError
        They are not what the schema says.
    """
    head, _, body = content.partition(b"\n")
    names = head.decode(errors="replace").split(",")
    columns = schema.columns_of(names)
    if isinstance(columns, str):
        raise TableError(f"the columns {shown(names)}, not {columns}")
    if not body.endswith(b"\n"):
        raise TableError("no whole line at the end")
    table = _parsed(body, columns)
    found = pd.DataFrame({column.name: _values(table[column.name], column) for column in columns})
    _require_order(found, schema)
    return columns, found


def _parsed(body: bytes, columns: Sequence[Column]) -> pd.DataFrame:
    """The rows; where a column cannot be read, it is named."""
    try:
        table = _read(body, columns, range(len(columns)))
    except UNREADABLE as error:
        for position, column in enumerate(columns):
            try:
                _read(body, columns, [position])
            except UNREADABLE as reason:
                raise TableError(f"no {column.kind} in column {column.name} ({shown(str(reason))})") from reason
        raise TableError(f"no CSV ({shown(str(error))})") from error
    if table.shape[1] != len(columns):
        raise TableError(f"{table.shape[1]} values in the first row, not {len(columns)}")
    return table.set_axis([column.name for column in columns], axis=1)


def _read(body: bytes, columns: Sequence[Column], positions: Sequence[int]) -> pd.DataFrame:
    """Empty cells are missing, and so is nothing else: a task may be called NA."""
    return pd.read_csv(
        io.BytesIO(body),
        header=None,
        usecols=None if len(positions) == len(columns) else list(positions),
        dtype={position: str if columns[position].kind == "string" else "float64" for position in positions},
        keep_default_na=False,
        na_values=[""],
        skip_blank_lines=False,
    )


def _values(values: pd.Series, column: Column) -> pd.Series:
    """A column's values, whole numbers as such, after they were compared with what it may hold."""
    if not column.may_be_empty:
        _refuse(values.isna().to_numpy(), values, column, "a value")
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
    """No two rows are of the same key, and steps grow among rows that differ by nothing else of it."""
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
