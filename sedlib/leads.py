"""Does a rise of the commutator defect, or a change of the spectral gap, announce grokking? No torch.

Onsets, leads, and tests over runs. Source of what concerns the defect: arXiv 2602.16746. The rules for the gap are
ours.

Shapes: series are arrays in order of their steps: defects and gaps ``[measurements]``, accuracies ``[checkpoints]``,
any series ``[values]``. Arrays of ``[runs]`` and of ``[leads]`` have a value for each run.

Units: steps, onsets and leads are counted in optimizer steps; an accuracy is a share between 0 and 1; a defect is in
inverse units of the parameters, a gap in squared units of its rows; growth and ratios have no unit.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.stats import binomtest, t

from sedlib.base.errors import WrongKindError

BASELINE = 3
"""Measurements whose median the onset is counted from."""
ONSET_GROWTH, ONSET_DEFECT = 10.0, 20.0
GAP_CHANGE = 10.0
ACCURACY = 0.9


def first_step(steps: Int[np.ndarray, " measurements"], reached: Bool[np.ndarray, " values"]) -> int | None:
    """First of ``steps`` at which ``reached`` is true; None if no step is.

    Raises
    ------
    ValueError
        The series have different lengths, the steps are not signed whole numbers that increase, or what is reached
        is not said by booleans.

    Examples
    --------
    >>> first_step(np.array([0, 25, 50]), np.array([False, True, True]))
    25
    """
    _require_arrays(reached=reached)
    _require_steps(steps, len(reached))
    if reached.dtype.kind != "b":
        raise ValueError(f"reached: expected booleans, got {reached.dtype}; compare the values with their bound")
    return int(steps[int(reached.argmax())]) if reached.any() else None


def onset(steps: Int[np.ndarray, " measurements"], defects: Float[np.ndarray, " measurements"]) -> int | None:
    """First step with a defect above ten times the median of the first three, and above 20; None if no step is.

    Raises
    ------
    ValueError
        There are fewer than three measurements, one is not positive and finite, or has no step, or the steps are
        not signed whole numbers that increase.

    Examples
    --------
    >>> onset(np.array([0, 100, 200, 300, 400]), np.array([1.0, 2.0, 3.0, 19.0, 21.0]))  # ten times the median is 20
    400
    """
    _require_numbers(defects=defects)
    return first_step(steps, defects > max(ONSET_GROWTH * _baseline(defects), ONSET_DEFECT))


def departure(steps: Int[np.ndarray, " measurements"], gaps: Float[np.ndarray, " measurements"]) -> int | None:
    r"""First step with a gap above ten times the median of the first three, or below a tenth; None if no step is.

    The gap is :math:`g_{23} = \sigma_2^2 - \sigma_3^2` of successive windows. That its dynamics precede grokking is a
    claim of arXiv 2603.28964, whose abstract gives no rule; this one is ``onset``'s, for a quantity that may fall as
    well as rise and has no scale of its own.

    Raises
    ------
    ValueError
        There are fewer than three measurements, one is negative or not finite, or has no step, the steps are not
        signed whole numbers that increase, or the median is zero.

    Examples
    --------
    >>> departure(np.array([0, 100, 200, 300, 400]), np.array([3.0, 4.0, 5.0, 1.0, 0.3]))  # 0.4 is a tenth of 4
    400
    """
    _require_numbers(gaps=gaps)
    if len(gaps) < BASELINE:
        raise ValueError(f"a departure needs at least {BASELINE} measurements, got {len(gaps)}")
    first = float(np.median(gaps[:BASELINE]))
    if not (np.isfinite(gaps) & (gaps >= 0)).all() or first == 0:
        raise ValueError(f"gaps must be finite and not negative, the first ones positive, got {gaps.tolist()}")
    return first_step(steps, (gaps > GAP_CHANGE * first) | (gaps < first / GAP_CHANGE))


def peak_before(steps: Int[np.ndarray, " measurements"], ratios: Float[np.ndarray, " values"], end: int) -> int | None:
    """Step of the largest ratio before the step ``end``, the first of equal ones; None if there is no such step.

    The peak is known only afterwards: a landmark, not an alarm. The rule is ours.

    Raises
    ------
    ValueError
        The series have different lengths, a ratio is not finite, the steps are not signed whole numbers that increase,
        or the end is no whole number.

    Examples
    --------
    >>> peak_before(np.array([0, 100, 200, 300]), np.array([2.0, 7.0, 5.0, 9.0]), end=300)
    100
    """
    _require_arrays(steps=steps)
    _require_numbers(ratios=ratios)
    if isinstance(end, bool) or not isinstance(end, int | np.integer):
        raise WrongKindError(f"end: expected a whole number, a step, got a {type(end).__name__} ({end})")
    if len(steps) != len(ratios) or not np.isfinite(ratios).all():
        raise ValueError(f"expected a finite ratio for each of {len(steps)} steps, got {ratios.tolist()}")
    _require_steps(steps, len(ratios))
    before = steps < end
    return int(steps[before][ratios[before].argmax()]) if before.any() else None


def growth(defects: Float[np.ndarray, " measurements"]) -> float:
    """Largest defect over the median of the first three.

    Raises
    ------
    ValueError
        There are fewer than three measurements, one is not positive and finite, or the growth is not finite.

    Examples
    --------
    >>> growth(np.array([1.0, 2.0, 3.0, 50.0]))
    25.0
    """
    _require_numbers(defects=defects)
    baseline = _baseline(defects)
    return _finite(float(defects.max()) / baseline, f"a growth from {baseline}")


def accurate_step(steps: Int[np.ndarray, " checkpoints"], accuracies: Float[np.ndarray, " checkpoints"]) -> int | None:
    """First step with a test accuracy of at least 90 %; None if no step has one. The lead is this minus the onset.

    Raises
    ------
    ValueError
        An accuracy is not between 0 and 1, or has no step, or the steps are not signed whole numbers that increase.

    Examples
    --------
    >>> accurate_step(np.array([0, 25, 50]), np.array([0.01, 0.9, 1.0]))
    25
    """
    _require_numbers(accuracies=accuracies)
    if not ((accuracies >= 0) & (accuracies <= 1)).all():
        raise ValueError(f"accuracies must be between 0 and 1, got {accuracies.tolist()}")
    return first_step(steps, accuracies >= ACCURACY)


def sign_test(leads: Real[np.ndarray, " runs"]) -> float:
    """P-value of this many positive leads, or more, if both signs were equally likely; a lead of zero is not positive.

    Raises
    ------
    ValueError
        There is no lead, or one is not finite: leave out, and name, runs without onset or without grokking. Or the
        leads are unsigned: a negative one would have turned positive when it was computed.

    Examples
    --------
    >>> sign_test(np.array([100.0, 250.0, 40.0]))  # three of three: 1/8
    0.125
    """
    _require_numbers(leads=leads)
    if leads.dtype.kind == "u":
        raise ValueError(f"leads: expected signed numbers, got {leads.dtype}; subtract steps of int64")
    if not len(leads) or not np.isfinite(leads).all():
        raise ValueError(f"a sign test needs finite leads, got {leads.tolist()}")
    return float(binomtest(int((leads > 0).sum()), len(leads), alternative="greater").pvalue)


@dataclass(frozen=True)
class PowerLaw:
    """Lead = factor · (grok step)^exponent."""

    exponent: float
    """Doubling the grok step multiplies the lead by 2^exponent."""
    low: float
    """Lower end of the exponent's confidence interval."""
    high: float
    """Upper end of the exponent's confidence interval."""
    factor: float
    """Lead of a run that groks at step 1, as extrapolated."""


def power_law(
    grok_steps: Real[np.ndarray, " runs"], leads: Real[np.ndarray, " leads"], confidence: float = 0.95
) -> PowerLaw:
    """Exponent and factor of a power law, by least squares of log lead on log grok step over n runs.

    The exponent's interval is Student's, with n − 2 degrees of freedom.

    Raises
    ------
    ValueError
        There are fewer than three runs, one has no positive lead or grok step (it has no logarithm: leave it out, and
        name it), all grok at the same step or too close to it, the confidence is not between 0 and 1, or the law is
        not finite.

    Examples
    --------
    >>> law = power_law(np.array([100.0, 1000.0, 10000.0]), np.array([10.0, 100.0, 1000.0]))  # always a tenth
    >>> round(law.exponent, 6), round(law.factor, 6)
    (1.0, 0.1)
    """
    _require_numbers(grok_steps=grok_steps, leads=leads)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    if len(grok_steps) != len(leads) or len(leads) < 3:
        raise ValueError(
            f"an exponent with an interval needs at least three runs, got {len(grok_steps)} and {len(leads)} leads"
        )
    if not all((np.isfinite(values) & (values > 0)).all() for values in (grok_steps, leads)):
        raise ValueError(f"grok steps and leads must be positive, got {grok_steps.tolist()} and {leads.tolist()}")
    if (grok_steps == grok_steps[0]).all():
        raise ValueError(f"all runs grok at step {grok_steps[0]:g}: no exponent can be fitted")
    (exponent, intercept), covariance = _line(np.log(grok_steps.astype(float)), np.log(leads.astype(float)))
    margin = t.ppf((1 + confidence) / 2, len(leads) - 2) * np.sqrt(covariance[0, 0])
    values = (exponent, exponent - margin, exponent + margin, np.exp(intercept))
    return PowerLaw(*(_finite(float(value), f"a power law through {grok_steps.tolist()}") for value in values))


def _line(x: Float[np.ndarray, " runs"], y: Float[np.ndarray, " runs"]) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept by least squares, and their covariance."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.RankWarning)
        try:
            found, covariance = np.polyfit(x, y, 1, cov=True)
        except np.exceptions.RankWarning:
            raise ValueError(
                f"grok steps too close to one another for an exponent: their logarithms are {x.tolist()}"
            ) from None
    return found, covariance


def _finite(value: float, what: str) -> float:
    if not np.isfinite(value):
        raise ValueError(f"{what} is not finite, got {value}")
    return value


def _baseline(defects: Float[np.ndarray, " measurements"]) -> float:
    if len(defects) < BASELINE:
        raise ValueError(f"an onset needs at least {BASELINE} measurements, got {len(defects)}")
    if not (np.isfinite(defects) & (defects > 0)).all():
        raise ValueError(f"defects must be positive and finite, got {defects.min()} to {defects.max()}")
    return float(np.median(defects[:BASELINE]))


def _require_steps(steps: np.ndarray, count: int) -> None:
    """Refuse what is no series of so many increasing steps. Differences of integers may wrap: none are taken."""
    _require_arrays(steps=steps)
    if steps.dtype.kind != "i":
        raise ValueError(f"steps: expected signed whole numbers, got {steps.dtype}; astype(np.int64) makes them")
    if len(steps) != count or (steps[1:] <= steps[:-1]).any():
        raise ValueError(f"expected increasing steps, one for each of {count} values, got {steps.tolist()}")


def _require_numbers(**series: object) -> None:
    """Refuse series, given by their names, that are no NumPy arrays of real numbers along one axis."""
    _require_arrays(**series)
    for name, values in series.items():
        if isinstance(values, np.ndarray) and values.dtype.kind == "b":
            raise ValueError(f"{name}: expected real numbers along one axis, got {values.dtype}")


def _require_arrays(**series: object) -> None:
    """Refuse series, given by their names, that are no NumPy arrays of one axis."""
    for name, values in series.items():
        if not isinstance(values, np.ndarray):
            raise WrongKindError(f"{name}: expected a NumPy array, got {type(values).__name__}; np.asarray makes one")
        if isinstance(values, np.ma.MaskedArray):
            raise WrongKindError(f"{name}: expected every value, got a MaskedArray; compressed() drops what is masked")
        if values.ndim != 1 or values.dtype.kind not in "biuf":
            raise ValueError(
                f"{name}: expected real numbers along one axis, got {values.dtype} of shape {values.shape}"
            )
