"""Readouts of the centroids by each of a study's definitions, and how far two definitions agree if it has several."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string

CENTROIDS = TableSchema(
    "centroids",
    1,
    "centroids",
    (
        integer(STEP),
        string("op"),
        string("centroid"),
        integer("rank90", 1),
        share("pc1_share"),
        number("alignment", -1, 1),
        number("row_cosine", -1, 1, is_optional=True),
        share("top1_cosine", is_optional=True),
        share("top3_cosine", is_optional=True),
    ),
    key=(STEP, "op", "centroid"),
)
