"""How far gradient steps are from commuting, and in which directions their commutators lie.

A measurement has a row for each basis: what is no share in it is the same in both.
"""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string

BASIS = "basis"
TRAJECTORY_BASIS, WEIGHTS_BASIS = "trajectory", "weights"
"""Principal components of each matrix's motion over the run; singular directions of each matrix at the checkpoint."""
SINGULAR_DIRECTIONS = 3
"""Of each matrix in the basis of the weights: 24 with eight matrices, as in the scripts of arXiv 2602.16746."""

CURVATURE = TableSchema(
    "curvature",
    2,
    "geometry/dvc.yaml:curvature",
    (
        integer(STEP),
        string(BASIS),
        number("defect", 0),
        number("defect_low", 0),
        number("defect_high", 0),
        share("rho", may_be_empty=True),  # a matrix of low rank names too few singular directions
        share("share", may_be_empty=True),
        share("random_share", may_be_empty=True),
        share("expected_share", may_be_empty=True),
        share("alignment", may_be_empty=True),  # there is no step before the first checkpoint
        share("expected_alignment"),
    ),
    key=(STEP, BASIS),
)
