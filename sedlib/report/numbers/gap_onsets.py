"""The spectral gap of the update's windows as an alarm of its own, beside the commutator defect's."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sedlib.leads import BASELINE, GAP_CHANGE, departure, onset, peak_before
from sedlib.terms.stream_names import UPDATE

GAP, DEFECT, UNSETTLED = "gap", "defect", "not settled"
FIRST = {"gap_first": GAP, "defect_first": DEFECT, "not_settled": UNSETTLED}


def update_gaps(spectra: pd.DataFrame) -> pd.DataFrame:
    """Gaps of the update's windows of at least three rows; shorter ones have none."""
    return spectra[spectra["stream"] == UPDATE].dropna(subset=["g23", "ratio23"])


def gap_numbers(spectra: pd.DataFrame, curvature: pd.DataFrame, accurate: int | None) -> dict[str, Any]:
    """Onset of g₂₃, peak of σ₂/σ₃, their leads over the accurate step, and whose onset comes first.

    What does not exist is None, with a reason. ``gap_from`` is the first window's step: a change before it is not seen.
    """
    gaps = update_gaps(spectra)
    steps, g23, ratios = gaps["step"].to_numpy(), gaps["g23"].to_numpy(float), gaps["ratio23"].to_numpy(float)
    began = departure(steps, g23) if len(steps) >= BASELINE else None
    peak = peak_before(steps, ratios, accurate) if accurate is not None else None
    measured = curvature["step"].to_numpy()
    no_peak = "no accurate step" if accurate is None else "no whole window before the accurate step"
    reasons = [
        *([f"g₂₃ changes by less than a factor of {GAP_CHANGE:g}"] if began is None else []),
        *([no_peak] if peak is None else []),
        *(["no window of three rows"] if gaps.empty else []),
    ]
    return {
        "gap_from": int(steps[0]) if len(steps) else None,
        "gap_onset": began,
        "gap_lead": None if began is None or accurate is None else accurate - began,
        "gap_peak": peak,
        "gap_peak_lead": None if peak is None or accurate is None else accurate - peak,
        "first_onset": first_onset(steps, began, measured, onset(measured, curvature["defect"].to_numpy())),
        **({"gap_reason": "; ".join(reasons)} if reasons else {}),
    }


def first_onset(gap_steps: np.ndarray, gap: int | None, defect_steps: np.ndarray, defect: int | None) -> str | None:
    """Which onset comes first; not settled where either lies between two measurements of the other.

    An onset at a measurement began after the measurement before it. The gap's baseline is its first three windows: of
    changes within them nothing is known, so that a defect that rises by then is not first.
    """
    if defect is None:
        return None if gap is None else GAP
    if gap is not None and gap <= _before(defect_steps, defect):
        return GAP
    known_from = gap_steps[BASELINE - 1] if len(gap_steps) >= BASELINE else np.inf
    unchanged_until = np.inf if gap is None else _before(gap_steps, gap)
    return DEFECT if known_from < defect <= unchanged_until else UNSETTLED


def how_often_first(firsts: Iterable[str | None]) -> Mapping[str, int]:
    """How many runs have which onset first."""
    found = list(firsts)
    return {key: found.count(name) for key, name in FIRST.items()}


def _before(steps: np.ndarray, step: int) -> float:
    earlier = steps[steps < step]
    return float(earlier.max()) if len(earlier) else -np.inf
