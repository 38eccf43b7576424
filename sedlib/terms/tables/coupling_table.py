"""Responses to each direction of a basis, beside those to random directions."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, string

RESPONSES = (
    integer("direction", 1),
    number("response", 0),
    number("baseline_median", 0),
    number("baseline_mean", 0),
    integer("n_random", 1),
    number("ratio", 0),
)
COUPLING = TableSchema(
    "coupling",
    1,
    "coupling",
    (integer(STEP), string("stream"), integer("window", 1), string("op"), *RESPONSES),
    key=(STEP, "stream", "window", "op", "direction"),
)
