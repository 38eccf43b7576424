"""PC1 of the trajectories up to where the companion's scripts stop a run."""

import numpy as np
import pandas as pd

EVERY, IN_A_ROW = 100, 3
"""Steps between the scripts' evaluations, and how many accurate ones in a row end a run."""
FIRST_LAYER = "layer 0 "
"""How the names of its matrices begin."""


def third_evaluation(training: pd.DataFrame, threshold: float) -> int | None:
    """Step of the third evaluation in a row, every 100 steps, at which every operation has ``threshold``; or None."""
    accuracy = training.groupby("step")["test_accuracy"].min()
    evaluated = accuracy[accuracy.index % EVERY == 0]
    accurate = (evaluated >= threshold).to_numpy().astype(int)
    in_a_row = np.convolve(accurate, np.ones(IN_A_ROW, int), "valid") if len(accurate) >= IN_A_ROW else np.zeros(0, int)
    found = np.flatnonzero(in_a_row == IN_A_ROW)
    return int(evaluated.index[found[0] + IN_A_ROW - 1]) if len(found) else None


def pc1_until(windows: pd.DataFrame, step: int | None, of: str = "") -> tuple[float | None, float | None]:
    """Least and largest PC1 % over the trajectory up to ``step``; (None, None) where it has none.

    Parameters
    ----------
    of
        How the names of the matrices begin; "" for all.
    """
    percent = windows.loc[(windows["step"] == step) & windows["matrix"].str.startswith(of), "pc1_percent"]
    return (None, None) if percent.empty else (float(percent.min()), float(percent.max()))
