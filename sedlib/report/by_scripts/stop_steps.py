"""The step at which the paper's scripts stop a run, which their tables print where the text has the grok step."""

import pandas as pd

EVALUATIONS = 20
"""How many evaluations reach the accuracy, in a row or not, before the scripts stop a run."""


def stop_step(curve: pd.DataFrame, op: str, threshold: float) -> int | None:
    """Step of an operation's 20th evaluation with a test accuracy of at least ``threshold``.

    A run that ends earlier because it grokked is taken to stay accurate: the evaluations that it lacks are counted at
    the spacing of its last two. None where the accuracy is not reached.
    """
    rows = curve[curve["op"] == op]
    reached = rows[rows["test_accuracy"] >= threshold]["step"]
    if reached.empty:
        return None
    if len(reached) >= EVALUATIONS:
        return int(reached.iloc[EVALUATIONS - 1])
    steps = rows["step"]
    return int(steps.iloc[-1] + (EVALUATIONS - len(reached)) * (steps.iloc[-1] - steps.iloc[-2]))
