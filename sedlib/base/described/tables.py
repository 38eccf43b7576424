"""Tidy tables as files: CSV, for people and their tools, with a description beside each."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.described.described_files import damaged, read_described, write_described
from sedlib.base.described.description import Origin
from sedlib.base.described.table_content import TableError, checked
from sedlib.base.described.table_schema import Column, TableSchema
from sedlib.base.errors import UserError


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
    write_described(path, content, schema, of, **_about(columns, read, schema))


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
    for name, value in _about(columns, table, schema).items():
        if description.get(name) != value:
            raise damaged(path, f"the {name} of its description", f"other {name}", stage)
    return table


def _about(columns: Sequence[Column], table: pd.DataFrame, schema: TableSchema) -> dict[str, Any]:
    """What a description says of a table."""
    fields = [column.field for column in columns]
    return {"rows": len(table), "schema": {"fields": fields, "primaryKey": list(schema.key), "missingValues": [""]}}
