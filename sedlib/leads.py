"""Does a rise of the commutator defect announce grokking? Onset, lead, and tests over runs. No torch.

Series are arrays ``[measurements]``, in order of their steps. Source: arXiv 2602.16746.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.stats import binomtest, t

BASELINE = 3
"""Measurements whose median the onset is counted from."""
ONSET_GROWTH, ONSET_DEFECT = 10.0, 20.0
ACCURACY = 0.9


def first_step(steps: Int[np.ndarray, " measurements"], reached: Bool[np.ndarray, " values"]) -> int | None:
    """First of ``steps`` at which ``reached`` is true; none if it never is.

    Raises
    ------
    ValueError
        The series have different lengths, or the steps do not increase.
    """
    if len(steps) != len(reached) or (np.diff(steps) <= 0).any():
        raise ValueError(f"expected increasing steps, one for each of {len(reached)} values, got {steps.tolist()}")
    return int(steps[int(reached.argmax())]) if reached.any() else None


def onset(steps: Int[np.ndarray, " measurements"], defects: Float[np.ndarray, " measurements"]) -> int | None:
    """First step with a defect above ten times the median of the first three, and above 20; none if there is none.

    Raises
    ------
    ValueError
        There are fewer than three measurements, or one is not positive and finite, or has no step.
    """
    return first_step(steps, defects > max(ONSET_GROWTH * _baseline(defects), ONSET_DEFECT))


def growth(defects: Float[np.ndarray, " measurements"]) -> float:
    """Largest defect over the median of the first three.

    Raises
    ------
    ValueError
        There are fewer than three measurements, or one is not positive and finite.
    """
    return float(defects.max()) / _baseline(defects)


def accurate_step(steps: Int[np.ndarray, " checkpoints"], accuracies: Float[np.ndarray, " checkpoints"]) -> int | None:
    """First step with a test accuracy of at least 90 %; none if there is none. The lead is this minus the onset.

    Raises
    ------
    ValueError
        An accuracy is not between 0 and 1, or has no step.
    """
    if not ((accuracies >= 0) & (accuracies <= 1)).all():
        raise ValueError(f"accuracies must be between 0 and 1, got {accuracies.min()} to {accuracies.max()}")
    return first_step(steps, accuracies >= ACCURACY)


def sign_test(leads: Real[np.ndarray, " runs"]) -> float:
    """P-value of as many positive leads, or more, if either sign were as likely; a lead of zero is not positive.

    Raises
    ------
    ValueError
        There is no lead, or one is not finite: leave out, and name, runs without onset or without grokking.
    """
    if not len(leads) or not np.isfinite(leads).all():
        raise ValueError(f"a sign test needs finite leads, got {leads.tolist()}")
    return float(binomtest(int((leads > 0).sum()), len(leads), alternative="greater").pvalue)


@dataclass(frozen=True)
class PowerLaw:
    """Lead = factor · (grok step)^exponent."""

    exponent: float
    low: float
    """Lower end of the exponent's confidence interval."""
    high: float
    factor: float


def power_law(
    grok_steps: Real[np.ndarray, " runs"], leads: Real[np.ndarray, " leads"], confidence: float = 0.95
) -> PowerLaw:
    """Least squares of log lead on log grok step; the interval is Student's, with n − 2 degrees of freedom.

    Raises
    ------
    ValueError
        There are fewer than three runs, one has no positive lead or grok step (it has no logarithm: leave it out, and
        name it), or all grok at the same step.
    """
    if len(grok_steps) != len(leads) or len(leads) < 3:
        raise ValueError(
            f"an exponent with an interval needs at least three runs, got {len(grok_steps)} and {len(leads)} leads"
        )
    if not all((np.isfinite(values) & (values > 0)).all() for values in (grok_steps, leads)):
        raise ValueError(f"grok steps and leads must be positive, got {grok_steps.tolist()} and {leads.tolist()}")
    if (grok_steps == grok_steps[0]).all():
        raise ValueError(f"all runs grok at step {grok_steps[0]:g}: no exponent can be fitted")
    (exponent, intercept), covariance = np.polyfit(np.log(grok_steps), np.log(leads), 1, cov=True)
    margin = t.ppf((1 + confidence) / 2, len(leads) - 2) * np.sqrt(covariance[0, 0])
    return PowerLaw(float(exponent), float(exponent - margin), float(exponent + margin), float(np.exp(intercept)))


def _baseline(defects: Float[np.ndarray, " measurements"]) -> float:
    if len(defects) < BASELINE:
        raise ValueError(f"an onset needs at least {BASELINE} measurements, got {len(defects)}")
    if not (np.isfinite(defects) & (defects > 0)).all():
        raise ValueError(f"defects must be positive and finite, got {defects.min()} to {defects.max()}")
    return float(np.median(defects[:BASELINE]))
