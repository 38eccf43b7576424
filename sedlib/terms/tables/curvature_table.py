"""How far gradient steps are from commuting, and in which directions their commutators lie."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share

CURVATURE = TableSchema(
    "curvature",
    1,
    "geometry/dvc.yaml:curvature",
    (
        integer(STEP),
        number("defect", 0),
        number("defect_low", 0),
        number("defect_high", 0),
        share("rho"),
        share("share"),
        share("random_share"),
        share("expected_share"),
        share("alignment", may_be_empty=True),  # there is no step before the first checkpoint
        share("expected_alignment"),
    ),
    key=(STEP,),
)
