"""A small table with every kind of column, as files."""

from pathlib import Path

from sedlib.base.described.description import Origin
from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string
from sedlib.base.described.tables import read_table, write_table

SCHEMA = TableSchema(
    "sample",
    3,
    "measure",
    (
        integer(STEP),
        string("op"),
        number("ratio", 0),
        share("passed", may_be_empty=True),
        integer("count", may_be_empty=True),
    ),
    key=(STEP, "op"),
)
ROWS = [
    {"step": 0, "op": "add", "ratio": 1.5, "passed": None, "count": 3},
    {"step": 0, "op": "NA", "ratio": 0.1, "passed": 0.25, "count": None},
    {"step": 10, "op": "add", "ratio": 1e-05, "passed": 1.0, "count": 4},
]
PARAMETERS = '{"run": {"seed": 42, "ops": ["add"]}, "optimizer": {"lr": 0.001}}'
OF = Origin("add-42", PARAMETERS)
STAGE = "measure@add-42"


def write(folder: Path) -> Path:
    path = folder / "sample.csv"
    write_table(path, ROWS, SCHEMA, OF)
    return path


def read(path: Path, of: Origin = OF, schema: TableSchema = SCHEMA) -> list[dict[str, object]]:
    table = read_table(path, schema, STAGE, of).astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
