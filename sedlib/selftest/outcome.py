"""Runs a check: its routine twice, and once more on one thread, against its oracle."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from sedlib.base.errors import in_one_line
from sedlib.selftest.check import Check
from sedlib.selftest.differences import error_of, same_bits
from sedlib.selftest.setting import Setting


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    name: str
    error: float | None
    """The largest found, as a share of the largest entry; None where there is no result to compare."""
    allowed: float
    tolerance: str
    """Its name."""
    problem: str
    """Why it failed; empty where it passed."""


def outcome_of(check: Check, setting: Setting) -> Outcome:
    """Run ``check``; whatever its routine raises is a failure of it, and no error here."""
    error, allowed = None, check.tolerance.allowed(setting.dtype)
    try:
        compute, oracle = check.pair(setting)
        with _threads(1):
            expected = oracle()
        found = compute()
        error = error_of(found, expected)
        problem = "" if error <= allowed else "too far from its oracle"
        if not problem and not same_bits(found, compute()):
            problem = "the same call gave other bits"
        if not problem and torch.get_num_threads() > 1:
            with _threads(1):
                error = max(error, error_of(compute(), expected))
            problem = "" if error <= allowed else "too far from its oracle on one thread"
    except Exception as raised:  # a kernel that is missing or wrong may raise anything
        problem = in_one_line(f"{type(raised).__name__}: {raised}")
    return Outcome(check.name, error, allowed, check.tolerance.name, problem)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
