"""How much of each matrix's motion lies along one direction: of all of it, and up to each checkpoint."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, string

STAGE = "geometry/dvc.yaml:trajectory"
PERCENT = number("pc1_percent", 0, 100)
TRAJECTORY = TableSchema(
    "trajectory",
    1,
    STAGE,
    (string("matrix"), PERCENT, number("walk_mean", 0, 100), number("walk_std", 0), number("z")),
    key=("matrix",),
)
TRAJECTORY_WINDOWS = TableSchema(
    "trajectory_windows", 1, STAGE, (integer(STEP), string("matrix"), PERCENT), key=(STEP, "matrix")
)
