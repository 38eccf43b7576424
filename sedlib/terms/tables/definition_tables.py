"""What sweeps/definitions measures as the papers' released scripts do."""

from pathlib import Path

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string
from sedlib.terms.tables.coupling_table import COUPLING

PIPELINE = "sweeps/definitions/dvc.yaml"
HELD = TableSchema("held", 1, f"{PIPELINE}:held", COUPLING.columns, key=COUPLING.key)
OWN_BATCHES = TableSchema("own_batches", 1, f"{PIPELINE}:own_batches", COUPLING.columns, key=COUPLING.key)
OVERLAPS = TableSchema(
    "overlaps",
    1,
    f"{PIPELINE}:overlaps",
    (integer(STEP), string("op"), share("top3_cosine"), number("absolute_overlap", 0)),
    key=(STEP, "op"),
)
DEFECTS = TableSchema(
    "defects",
    1,
    f"{PIPELINE}:defects",
    (integer(STEP), number("defect", 0), number("rounded_defect", 0)),
    key=(STEP,),
)


def definition_table(schema: TableSchema, run: str) -> Path:
    """Where a run's table lies; the stages run in the root."""
    return Path("sweeps/definitions/results", run, f"{schema.name}.csv")
