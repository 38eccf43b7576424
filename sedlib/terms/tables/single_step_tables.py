"""Coupling ratios of bases from single checkpoints, and the angles between these bases."""

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string
from sedlib.terms.tables.coupling_table import RESPONSES

STAGE = "ablations/dvc.yaml:single_step"
PHASE = (string("phase"), integer(STEP), string("op"))
SINGLE_STEP = TableSchema(
    "single_step",
    1,
    STAGE,
    (*PHASE, string("estimator"), string("centroid"), *RESPONSES),
    key=("phase", "op", "estimator", "centroid", "direction"),
)
ANGLES = TableSchema(
    "single_step_angles",
    1,
    STAGE,
    (
        *PHASE,
        string("first"),
        string("second"),
        share("first_cosine"),
        integer("number", 1),
        number("angle", 0, 90),
    ),
    key=("phase", "op", "first", "second", "number"),
)
EXAMPLES = TableSchema(
    "examples",
    1,
    "sweeps/after_grokking/dvc.yaml:examples",
    (integer(STEP), string("op"), *RESPONSES),
    key=(STEP, "op", "direction"),
)
"""Of the basis of per-example gradients from the grok step on."""
