"""Onsets, leads and tests over runs: series of which the answer can be seen."""

from itertools import product

import numpy as np

import sedlib.leads as leads
from sedlib.selftest.check import Pair, check
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, FLOAT64, ROUNDED

STEPS = np.arange(0, 800, 100)
DEFECTS = np.array([3.0, 1.0, 2.0, 19.0, 20.0, 21.0, 300.0, 50.0])
"""Median of the first three: 2."""


@check("leads.first_step", EXACT)
def first_step(_: Setting) -> Pair:
    """The sixth."""
    return lambda: leads.first_step(STEPS, DEFECTS > 20), lambda: 500


@check("leads.onset", EXACT)
def onset(_: Setting) -> Pair:
    """Above 20, which is also ten times the median."""
    return lambda: leads.onset(STEPS, DEFECTS), lambda: 500


@check("leads.departure", EXACT)
def departure(_: Setting) -> Pair:
    """Below a tenth of 2."""
    gaps = np.array([3.0, 1.0, 2.0, 19.0, 0.1, 1.0, 1.0, 1.0])
    return lambda: leads.departure(STEPS, gaps), lambda: 400


@check("leads.peak_before", EXACT)
def peak_before(_: Setting) -> Pair:
    """The largest before 600 is 21."""
    return lambda: leads.peak_before(STEPS, DEFECTS, 600), lambda: 500


@check("leads.growth", ROUNDED)
def growth(_: Setting) -> Pair:
    """300 over 2."""
    return lambda: leads.growth(DEFECTS), lambda: 150.0


@check("leads.accurate_step", EXACT)
def accurate_step(_: Setting) -> Pair:
    """The first of at least 0.9."""
    accuracies = np.array([0.0, 0.2, 0.89, 0.9, 0.5, 1.0, 1.0, 1.0])
    return lambda: leads.accurate_step(STEPS, accuracies), lambda: 300


@check("leads.sign_test", FLOAT64)
def sign_test(_: Setting) -> Pair:
    """Counted: of all ways to give ten leads a sign, those with at least eight positive ones."""
    values = np.array([1.0] * 8 + [-1.0] * 2)
    ways = list(product((0, 1), repeat=10))
    return lambda: leads.sign_test(values), lambda: sum(sum(way) >= 8 for way in ways) / len(ways)


@check("leads.power_law", FLOAT64)
def power_law(setting: Setting) -> Pair:
    """Exponent and factor of the line through logarithms, by its normal equations; 2.776 is Student's for four."""
    steps = np.array([1_000.0, 2_000.0, 3_000.0, 5_000.0, 8_000.0, 9_000.0])
    lead = 0.3 * steps**1.2 * np.exp(0.1 * setting.normal(6).numpy())

    def expected() -> list[float]:
        x, y = np.log(steps), np.log(lead)
        spread = ((x - x.mean()) ** 2).sum()
        slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
        intercept = y.mean() - slope * x.mean()
        margin = 2.7764451051977987 * np.sqrt(((y - intercept - slope * x) ** 2).sum() / 4 / spread)
        return [slope, slope - margin, slope + margin, np.exp(intercept)]

    return lambda: leads.power_law(steps, lead), expected
