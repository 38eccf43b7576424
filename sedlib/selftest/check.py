"""A check: a routine's name, what it gives beside what its oracle gives, and how far the two may differ.

``checks/`` holds them, a function each::

    @check("products.gram", SUM_IN_FLOAT64)
    def gram(setting: Setting) -> Pair:
        rows = setting.stream(24, 20_000)
        return lambda: products.gram(setting.rows(rows), setting.device), lambda: summed_products(rows, rows)

The first is called several times, and must give the same bits each time; the second once. A routine is looked up in
its module when it is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import Tolerance

Pair = tuple[Callable[[], Any], Callable[[], Any]]
"""What gives a result, and what gives the one expected: numbers, tensors, arrays, or tuples and lists of them."""


@dataclass(frozen=True)
class Check:
    """One comparison of a routine with its oracle."""

    name: str
    """Module and routine, as ``products.gram``."""
    tolerance: Tolerance
    pair: Callable[[Setting], Pair]


def check(name: str, tolerance: Tolerance) -> Callable[[Callable[[Setting], Pair]], Check]:
    """Make a check of the function that follows."""
    return lambda pair: Check(name, tolerance, pair)
