"""Tidy tables as files: CSV, for people and their tools, with a description beside each (described.py)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.described import Origin, damaged, read_described, write_described
from sedlib.base.errors import UserError
from sedlib.base.table_content import TableError, checked
from sedlib.base.table_schema import TableSchema


def write_table(path: Path, rows: Iterable[Mapping[str, Any]] | pd.DataFrame, schema: TableSchema, of: Origin) -> None:
    """Write rows as CSV, and beside it what they are and what they were computed of.

    Raises
    ------
    UserError
        The rows are not what the schema says; nothing is written.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    content = table.to_csv(index=False).encode()
    try:
        columns, read = checked(content, schema)
    except TableError as error:
        raise UserError(f"{path}: not written, expected a table as {schema.tag} has it, found {error}") from error
    fields = {"fields": [column.field for column in columns], "primaryKey": list(schema.key), "missingValues": [""]}
    write_described(path, content, schema, of, rows=len(read), schema=fields)


def read_table(path: Path, schema: TableSchema, stage: str, of: Origin) -> pd.DataFrame:
    """The table in a CSV file that the DVC stage at the address ``stage`` writes.

    Raises
    ------
    UserError
        It or its description is missing, damaged, of another version or of another run; the message says what was
        expected, what was found, and which commands bring them back.
    """
    content, description = read_described(path, schema, stage, of)
    try:
        columns, table = checked(content, schema)
    except TableError as error:
        raise damaged(path, f"a table as {schema.tag} has it", f"{error}", stage) from error
    fields = [column.field for column in columns]
    if description.get("rows") != len(table) or description["schema"]["fields"] != fields:
        raise damaged(path, "the rows and columns that its description counts", f"{len(table)} × {len(fields)}", stage)
    return table
