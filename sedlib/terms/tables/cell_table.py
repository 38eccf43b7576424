"""Readouts over the training of one intervention cell, each row with all that the cell is."""

from collections.abc import Mapping
from typing import Any

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string
from sedlib.terms.tables.training_table import READOUTS

LABELS = (
    string("run"),
    string("condition"),
    string("projection", may_be_empty=True),
    integer("coordinates", may_be_empty=True),
    integer("rank", 1, may_be_empty=True),
    string("target", may_be_empty=True),
    integer("start", may_be_empty=True),
    number("strength", 0, 1, may_be_empty=True),
    number("size", 0, may_be_empty=True),
    number("weight_decay", 0, may_be_empty=True),
    integer("seed"),
    integer("max_steps", 1),
)
"""The same in every row."""
CELL = TableSchema(
    "cell",
    1,
    "interventions/dvc.yaml",
    (
        *LABELS,
        integer(STEP),
        string("op"),
        *READOUTS,
        share("passed", may_be_empty=True),
        share("overlap", may_be_empty=True),
    ),
    key=(STEP, "op"),
)


def cell_name(labels: Mapping[str, Any]) -> str:
    """Name of a cell's file, from its labels; of those that it does not have the value is None."""
    coordinates = labels["coordinates"]
    what = labels["condition"] if coordinates is None else f"coordinates-{int(coordinates)}"
    options = {"": "target", "rank": "rank", "from": "start", "strength": "strength", "size": "size"}
    given = {key: labels[name] for key, name in {**options, "wd": "weight_decay"}.items()}
    varied = [
        key + (value if isinstance(value, str) else f"{value:g}") for key, value in given.items() if value is not None
    ]
    return "-".join(part for part in (labels["run"], labels["projection"], what, *varied) if part)
