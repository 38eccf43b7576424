"""Spectral gaps of every window of a stream, and its overlap with the next."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string

SPECTRA = TableSchema(
    "spectra",
    1,
    "bases",
    (
        integer(STEP),
        string("stream"),
        integer("window", 1),
        integer("k_star", 1, may_be_empty=True),
        number("ratio23", 0, may_be_empty=True, may_be_infinite=True),  # where the third singular value vanishes
        number("g23", 0, may_be_empty=True),
        share("overlap_with_next", may_be_empty=True),
    ),
    key=(STEP, "stream"),
)
