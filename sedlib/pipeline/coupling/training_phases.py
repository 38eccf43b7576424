"""The phases of training at which single checkpoints are looked at."""

from collections.abc import Sequence

import pandas as pd

from sedlib.leads import first_step

ACCURACY = "test_accuracy"


def phase_steps(training: pd.DataFrame, measured: Sequence[int], threshold: float) -> dict[str, int]:
    """Step of each phase among the ``measured``.

    init is the first; mid, the nearest to half the grok step; after, the last. The grok step is that by which every
    task grokked: the first checkpoint at which its test accuracy reaches ``threshold``. A run that never groks has no
    phase named after, and its mid is half of training. In a study without accuracies the last phase is then named end.
    """
    known = ACCURACY in training
    grokked = grokked_by_all(training, threshold) if known else None
    half = (measured[-1] if grokked is None else grokked) / 2
    mid = min(measured, key=lambda step: abs(step - half))
    last = "end" if not known else None if grokked is None else "after"
    return {"init": measured[0], "mid": mid, **({last: measured[-1]} if last else {})}


def grokked_by_all(training: pd.DataFrame, threshold: float) -> int | None:
    """First checkpoint by which the test accuracy of every task has reached ``threshold``; None if one never does."""
    steps = [
        first_step(rows["step"].to_numpy(), (rows[ACCURACY] >= threshold).to_numpy())
        for _, rows in training.groupby("op", sort=False)
    ]
    found = [step for step in steps if step is not None]
    return max(found) if len(found) == len(steps) else None
