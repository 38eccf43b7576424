"""Readouts over training, by task. Another study has losses for its tasks, and accuracies if it has any."""

from dataclasses import replace

from sedlib.base.described.table_schema import STEP, TableSchema, integer, number, share, string

READOUTS = (
    share("train_accuracy"),
    share("test_accuracy"),
    number("train_loss"),
    number("test_loss"),
    number("weight_norm", 0),
    number("logit_scale", 0),
)
"""Of the paper's study."""
TRAINING = TableSchema(
    "training",
    1,
    "train",
    (integer(STEP), string("op"), *(replace(readout, is_optional=True) for readout in READOUTS)),
    key=(STEP, "op"),
    takes_more=True,
)
