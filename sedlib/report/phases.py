"""The three phases of a run at which single checkpoints are compared."""

import pandas as pd

from sedlib.report.results import grok_step

PHASES = ("init", "mid", "after")


def phase_steps(training: pd.DataFrame, threshold: float) -> dict[str, int]:
    """Step of each phase's checkpoint: init, the first; mid, the nearest to half the grok step; after, the last.

    The grok step is that by which every operation grokked. A run that never groks has no phase after it, and its mid
    is half of training.
    """
    steps = sorted(training["step"].unique().tolist())
    grokked = [grok_step(training, str(op), threshold) for op in training["op"].unique()]
    found = [step for step in grokked if step is not None]
    never = len(found) < len(grokked)
    half = (steps[-1] if never else max(found)) / 2
    mid = min(steps, key=lambda step: abs(step - half))
    return {"init": steps[0], "mid": mid, **({} if never else {"after": steps[-1]})}
