"""Coupling ratios of the gradient on permuted answers, beside the task's own."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, string

PERMUTED = TableSchema(
    "permuted",
    1,
    "ablations/dvc.yaml:permuted",
    (
        integer(STEP),
        string("op"),
        integer("window", 1),
        number("ratio", 0, may_be_empty=True),  # of a window that determines no basis
        number("permuted_mean", 0),
        number("permuted_sd", 0, may_be_empty=True),
        integer("n", 1),
    ),
    key=(STEP, "op", "window"),
)
