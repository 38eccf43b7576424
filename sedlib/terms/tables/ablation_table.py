"""Coupling ratios of the tasks' gradients with one parameter changed, a table for each axis."""

from sedlib.base.described.table_schema import TableSchema, string
from sedlib.terms.tables.coupling_table import COUPLING

ABLATION = TableSchema(
    "ablation",
    1,
    "ablations/dvc.yaml:ablate",
    (string("axis"), string("value"), *COUPLING.columns),
    key=("value", *COUPLING.key),
)
ON_OTHER_BATCHES = ("batch_size", "batch_seed", "batch_pairs")
"""Axes for which rows are taken anew, by a kind of stage of its own."""


def ablating_stage(run: str, axis: str) -> str:
    """Address of the stage that writes the table of an axis."""
    stage = f"{ABLATION.stage}_batch" if axis in ON_OTHER_BATCHES else ABLATION.stage
    return f"{stage}@{run}-{axis}"
