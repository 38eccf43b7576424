import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from sedlib.leads import accurate_step, departure, first_step, growth, onset, peak_before, power_law, sign_test

STEPS = np.arange(0, 800, 100)


@pytest.mark.parametrize(
    ("defects", "expected"),
    [
        ([1, 2, 3, 15, 19.9, 20, 20.1, 30], 600),  # ten times the median of 2 is 20, and so is the other bound
        ([1, 2, 0.5, 9, 10, 19, 20, 21], 700),  # above ten times 1 from step 500 on, above 20 only at 700
        ([4, 5, 6, 21, 49, 50, 51, 20], 600),
        ([4, 5, 6, 21, 49, 50, 50, 20], None),
        ([1, 1, 50, 1, 1, 1, 1, 1], 200),  # the first three count themselves
    ],
)
def test_the_onset_is_above_both_bounds(defects: list[float], expected: int | None) -> None:
    assert onset(STEPS, np.array(defects, float)) == expected


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1e4), min_size=3, max_size=8))
def test_onset_and_growth_are_as_the_words_say(values: list[float]) -> None:
    base = sorted(values[:3])[1]
    above = [step for step, value in zip(STEPS, values, strict=False) if value > 10 * base and value > 20]
    assert onset(STEPS[: len(values)], np.array(values)) == (above[0] if above else None)
    assert growth(np.array(values)) == pytest.approx(max(values) / base)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([2, 3, 1, 20, 20.1, 5, 5, 5], 400),  # ten times the median is not above it
        ([2, 3, 1, 0.2, 0.19, 5, 5, 5], 400),
        ([2, 3, 1, 5, 5, 0, 99, 5], 500),
        ([2, 3, 1, 5, 5, 5, 5, 19], None),
        ([1e-9, 1e-9, 1e-9, 1e-9, 2e-8, 1, 1, 1], 400),  # no scale of its own
        ([1, 1, 50, 1, 1, 1, 1, 1], 200),
    ],
)
def test_a_gap_departs_upwards_or_downwards(gaps: list[float], expected: int | None) -> None:
    assert departure(STEPS, np.array(gaps, float)) == expected


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=8), st.floats(1e-6, 1e6))
def test_the_departure_is_as_the_words_say_whatever_the_unit(values: list[float], unit: float) -> None:
    gaps = np.array(values)
    folds = [max(value / sorted(values[:3])[1], sorted(values[:3])[1] / value) for value in values]
    assume(all(abs(fold - 10) > 1e-6 for fold in folds))
    beyond = [step for step, fold in zip(STEPS, folds, strict=False) if fold > 10]
    assert departure(STEPS[: len(gaps)], gaps * unit) == (beyond[0] if beyond else None)


def test_the_peak_is_the_first_of_the_largest_before_the_end() -> None:
    ratios = np.array([1.1, 1.4, 1.2, 1.4, 1.3, 9, 1, 1])
    assert peak_before(STEPS, ratios, 500) == 100
    assert peak_before(STEPS, ratios, 501) == 500
    assert peak_before(STEPS, ratios, 100) == 0
    assert peak_before(STEPS, ratios, 0) is None


def test_gaps_that_have_no_onset_or_peak_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 measurements, got 2"):
        departure(STEPS[:2], np.ones(2))
    for broken in ([1, 1, 1, -1], [1, 1, 1, math.nan], [0, 0, 1, 1]):
        with pytest.raises(ValueError, match="finite and not negative, the first ones positive"):
            departure(STEPS[:4], np.array(broken, float))
    for values in (np.ones(3), np.array([1, 1, math.inf, 1])):
        with pytest.raises(ValueError, match="a finite ratio for each of 4 steps"):
            peak_before(STEPS[:4], values, 300)


def test_ninety_percent_is_enough_and_the_first_time_counts() -> None:
    assert accurate_step(STEPS[:4], np.array([0.1, 0.9, 0.3, 1.0])) == 100
    assert accurate_step(STEPS[:4], np.array([0.1, 0.89, 0.3, 0.8])) is None


def test_series_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 measurements, got 2"):
        onset(STEPS[:2], np.ones(2))
    for broken in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="positive and finite"):
            onset(STEPS[:4], np.array([1, 2, 3, broken]))
        with pytest.raises(ValueError, match="positive and finite"):
            growth(np.array([1, 2, 3, broken]))
    with pytest.raises(ValueError, match="increasing steps, one for each of 3 values"):
        first_step(STEPS[:4], np.ones(3) > 0)
    with pytest.raises(ValueError, match="increasing steps"):
        first_step(np.array([0, 100, 100]), np.array([False, True, True]))
    for broken in (1.01, -0.1, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            accurate_step(STEPS[:2], np.array([0.5, broken]))


def forbidden(value: object) -> Any:
    """What annotations forbid, as users without a type checker give it."""
    return value


CALLS: dict[str, Callable[[Any], object]] = {
    "first_step": lambda steps: first_step(steps, np.array([False, True, True])),
    "onset": lambda steps: onset(steps, np.ones(3)),
    "departure": lambda steps: departure(steps, np.ones(3)),
    "peak_before": lambda steps: peak_before(steps, np.ones(3), 100),
    "accurate_step": lambda steps: accurate_step(steps, np.ones(3)),
}
STEPS_REFUSED = {
    "unsigned": (np.array([100, 50, 25], np.uint64), "steps: expected signed whole numbers, got uint64"),
    "not whole": (np.array([0.5, 25.5, 50.5]), "steps: expected signed whole numbers, got float64"),
    "not a number": (np.array([0, math.nan, 25]), "steps: expected signed whole numbers, got float64"),
    "booleans": (np.array([False, True, True]), "steps: expected signed whole numbers, got bool"),
    "wrapping": (np.array([100, -100, 50], np.int8), "expected increasing steps, one for each of 3 values"),
    "falling": (np.array([0, 50, 25]), "expected increasing steps, one for each of 3 values"),
    "masked": (np.ma.masked_array([0, 25, 50], [False, True, False]), "steps: .* got a MaskedArray"),
}


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("why", STEPS_REFUSED)
def test_steps_that_cannot_be_counted_are_refused(name: str, why: str) -> None:
    steps, message = STEPS_REFUSED[why]
    with pytest.raises(ValueError, match=message):
        CALLS[name](steps)


def test_steps_far_apart_in_a_narrow_dtype_are_in_order() -> None:
    assert first_step(np.array([-100, 100], np.int8), np.array([False, True])) == 100


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: first_step(STEPS[:3], np.array([math.nan, 0, 1])), "reached: expected booleans, got float64"),
        (lambda: first_step(STEPS[:3], np.array([0, 5, 9])), "reached: expected booleans, got int64"),
        (
            lambda: peak_before(STEPS[:3], np.ones(3), forbidden(math.nan)),
            r"end: expected a whole number, a step, got a float",
        ),
        (lambda: peak_before(STEPS[:3], np.ones(3), True), r"end: expected a whole number, a step, got a bool"),
        (lambda: growth(np.ones(3) > 0), "defects: expected real numbers along one axis, got bool"),
        (lambda: onset(STEPS[:3], np.ma.masked_array(np.ones(3), [True] * 3)), "defects: .* got a MaskedArray"),
        (lambda: accurate_step(STEPS[:3], np.ones(3) > 0), "accuracies: expected real numbers along one axis"),
        (lambda: sign_test(np.array([True, True])), "leads: expected real numbers along one axis, got bool"),
        (lambda: sign_test(np.array([100], np.uint64) - np.array([250], np.uint64)), "leads: .* got uint64"),
    ],
)
def test_values_of_another_kind_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_sign_test_is_the_binomial_tail() -> None:
    assert sign_test(np.array([600] * 12)) == 2**-12
    assert sign_test(np.array([600] * 11 + [-100])) == pytest.approx(13 * 2**-12)
    assert sign_test(np.array([100, 0])) == 0.75  # a lead of zero is not positive
    assert sign_test(np.array([-1, -1])) == 1
    for leads in ([], [100, math.nan]):
        with pytest.raises(ValueError, match="finite leads"):
            sign_test(np.array(leads))


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 10), st.integers(3, 8))
def test_a_power_law_without_noise_is_recovered(exponent: float, factor: float, runs: int) -> None:
    grok_steps = 300.0 * 2 ** np.arange(runs)
    found = power_law(grok_steps, factor * grok_steps**exponent)
    assert found.exponent == pytest.approx(exponent, abs=1e-9)
    assert found.low <= found.exponent <= found.high
    assert found.high - found.low < 1e-4
    assert found.factor == pytest.approx(factor, rel=1e-8)


def test_the_interval_is_that_of_a_line_through_three_points() -> None:
    grok_steps, leads = np.array([500.0, 3000, 20_000]), np.array([90.0, 1100, 9000])
    line, found = linregress(np.log(grok_steps), np.log(leads)), power_law(grok_steps, leads)
    student = 12.7062  # 97.5 % of Student's distribution with one degree of freedom
    assert found.exponent == pytest.approx(line.slope)
    assert found.high - found.exponent == pytest.approx(student * line.stderr, rel=1e-5)
    assert found.exponent - found.low == pytest.approx(student * line.stderr, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.float16, np.float32, np.uint16])
def test_a_power_law_has_its_digits_whatever_the_dtype(dtype: type) -> None:
    grok_steps, leads = np.array([500, 3000, 20_000]), np.array([90, 1100, 9000])
    assert power_law(grok_steps.astype(dtype), leads.astype(dtype)) == power_law(grok_steps, leads)


def test_the_interval_covers_the_exponent_as_often_as_it_says() -> None:
    rng, grok_steps = np.random.default_rng(0), np.array([300.0, 1000, 3000, 10_000, 30_000])
    covered = 0
    for _ in range(600):
        found = power_law(grok_steps, 0.1 * grok_steps**1.3 * np.exp(0.3 * rng.standard_normal(5)), 0.8)
        covered += found.low <= 1.3 <= found.high
    assert covered / 600 == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("grok_steps", "leads", "message"),
    [
        ([1, 2], [1, 2], "at least three runs, got 2"),
        ([1, 2, 3], [1, 2], "at least three runs, got 3 and 2 leads"),
        ([1, 2, 3], [1, 2, 0], "must be positive"),
        ([1, 2, 3], [1, 2, math.nan], "must be positive"),
        ([0, 2, 3], [1, 2, 3], "must be positive"),
        ([2, 2, 2], [1, 2, 3], "all runs grok at step 2"),
        ([1e15, 1e15 + 1, 1e15 + 2], [1, 2, 3], "grok steps too close to one another"),
    ],
)
def test_runs_that_fit_no_power_law_are_refused(grok_steps: list[float], leads: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        power_law(np.array(grok_steps), np.array(leads))
