"""Readouts of a run that was trained again while its slots stayed where they were."""

from dataclasses import replace

from sedlib.terms.tables.training_table import TRAINING

FROZEN = replace(TRAINING, name="frozen", stage="frozen")
