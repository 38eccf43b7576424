"""What templates may say of the tables that git keeps: cells, intervals, ranges, and how many rows there are."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.digits import number

UNFIT = (ArithmeticError, AttributeError, KeyError, NameError, SyntaxError, TypeError, ValueError)
"""What pandas raises where a query is none, or speaks of columns that a table does not have."""


class TableWords:
    """Functions of one page's template; ``refuse`` notes why something does not fit, and gives what stands instead.

    Rows are chosen by a query, as `pandas.DataFrame.query` takes it: ``"op == 'add' and strength == 0.5"``.
    """

    def __init__(self, root: Path, refuse: Callable[[str, Any], Any]) -> None:
        self.root, self._refuse = root, refuse

    def functions(self) -> dict[str, Callable[..., Any]]:
        """By the names that templates call them."""
        return {
            "cell": self._or_refused(self.cell, ""),
            "cells": self._or_refused(self.cells, ""),
            "interval": self._or_refused(self.interval, ""),
            "rows": self._or_refused(self.rows, 0),
        }

    def cell(self, file: str, column: str, query: str, times: float | int = 1) -> float | str:
        """What stands in a column of the one row that the query chooses: a number ``times`` so much, or text.

        Raises
        ------
        UserError
            There is no such column or not one such row.
        """
        found = self._chosen(file, column, query)
        if len(found) != 1:
            raise UserError(f"{file} has {len(found)} rows with {column} where {query}, and not one")
        value = pd.to_numeric(found, errors="coerce").iloc[0]
        return str(found.iloc[0]) if pd.isna(value) else times * float(value)

    def cells(self, file: str, columns: str | list[str], query: str, times: float | int = 1) -> str:
        """The least and the greatest number in one or several columns of all rows that the query chooses.

        Raises
        ------
        UserError
            There is no such column, or no number in those rows.
        """
        named = [columns] if isinstance(columns, str) else columns
        found = pd.concat([self._chosen(file, column, query) for column in named])
        values = pd.to_numeric(found, errors="coerce").dropna()
        if values.empty:
            raise UserError(f"{file} has no number in {', '.join(named)} where {query}")
        return " to ".join(dict.fromkeys(number(times * float(end)) for end in (values.min(), values.max())))

    def interval(self, file: str, column: str, query: str) -> str:
        """The one number with its interval, from the columns ``<column>_low`` and ``_high``, or ``low`` and ``high``.

        Raises
        ------
        UserError
            One of the three is not there, or no number.
        """
        prefix = "" if column == "value" else f"{column}_"
        value, *ends = (self.cell(file, name, query) for name in (column, f"{prefix}low", f"{prefix}high"))
        try:
            low, high = (number(float(end)) for end in ends)
            return f"{number(float(value))} [{low}, {high}]"
        except ValueError as error:
            raise UserError(f"{file} has text in place of an interval of {column} where {query}") from error

    def rows(self, file: str, query: str) -> int:
        """How many rows the query chooses.

        Raises
        ------
        UserError
            The file is no table, or the query is none of its columns.
        """
        return len(self._rows(file, query))

    def _chosen(self, file: str, column: str, query: str) -> pd.Series:
        found = self._rows(file, query)
        if column not in found:
            raise UserError(f"{file} has no column {column}")
        return found[column].dropna()

    def _rows(self, file: str, query: str) -> pd.DataFrame:
        try:
            table = pd.read_csv(self.root / file, thousands=",")
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is missing, or no table; restore it with git checkout") from error
        try:
            return table.query(query, engine="python")
        except UNFIT as error:
            raise UserError(f"no rows of {file} can be chosen where {query}: {error}") from error

    def _or_refused(self, word: Callable[..., Any], instead: str | int) -> Callable[..., Any]:
        @wraps(word)
        def said(*arguments: Any, **options: Any) -> Any:
            try:
                return word(*arguments, **options)
            except UserError as error:
                return self._refuse(str(error), instead)

        return said
