"""Runs that go on after grokking: all of their curves by the steps since."""

from collections.abc import Mapping

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.results import RunFolder, grok_step
from sedlib.report.sweeps.growth_since_grok import growth_curve
from sedlib.report.sweeps.since_grok import curves_of, per_example_curve
from sedlib.terms.late_defects_table import LATE_DEFECTS
from sedlib.terms.tables.single_step_tables import EXAMPLES
from sedlib.terms.tables.training_table import TRAINING
from sedlib.terms.tables.windows_table import WINDOWS

OF_THE_EXAMPLES = "add"
"""The operation of which the paper has the basis of per-example gradients."""


def curves_in(
    folders: Mapping[str, RunFolder], window: int, threshold: float
) -> tuple[dict[str, dict[str, dict[str, "pd.Series[float]"]]], list[str]]:
    """By operation, run and quantity; and the runs that never grok.

    Raises
    ------
    UserError
        A table is missing, damaged, or of another run; or it lacks the ``window``, or that of one checkpoint; a run has
        several operations; or none groks.
    """
    curves: dict[str, dict[str, dict[str, pd.Series[float]]]] = {}
    never: list[str] = []
    for run, folder in folders.items():
        training = folder.read(TRAINING)
        op, *others = training["op"].unique()
        if others:
            raise UserError(f"{run} must have one operation, got {', '.join([op, *others])}; leave it out of runs")
        if (grokked := grok_step(training, op, threshold)) is None:
            never.append(run)
        else:
            last = int(training["step"].max())
            curves.setdefault(op, {})[run] = _of_run(folder, op, grokked, last, window)
    if not curves:
        raise UserError(f"no run reached a test accuracy of {threshold}; choose a larger max_steps in params.yaml")
    return curves, never


def _of_run(folder: RunFolder, op: str, grokked: int, last: int, window: int) -> dict[str, "pd.Series[float]"]:
    found = curves_of(folder.read(WINDOWS), op, grokked, window)
    if op == OF_THE_EXAMPLES:
        found |= per_example_curve(folder.read(EXAMPLES), op, grokked)
    return found | growth_curve(folder.read(LATE_DEFECTS), grokked, last)
