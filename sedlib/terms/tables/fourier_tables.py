"""Frequencies of a grokking run's centroids, and its losses by frequencies of the logits."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string

FOURIER = TableSchema(
    "fourier",
    1,
    "fourier",
    (
        integer(STEP),
        string("op"),
        string("basis"),
        integer("component", 1),
        share("r2"),
        integer("frequency", 1),
        share("r2_answer"),
    ),
    key=(STEP, "op", "basis", "component"),
)
RESTRICTED_LOSS = TableSchema(
    "restricted_loss",
    1,
    "fourier",
    (
        integer(STEP),
        string("op"),
        string("key_frequencies"),
        share("key_share"),
        number("loss", 0),
        number("restricted_loss", 0),
        number("train_loss", 0),
        number("excluded_loss", 0),
    ),
    key=(STEP, "op"),
)
