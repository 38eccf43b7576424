"""Numbers to some digits: as text for people, and rounded for files."""

import math

import pandas as pd

NOTHING = "–"
"""Stands for a number that does not exist."""


def number(value: float | int, digits: int = 3) -> str:
    """``digits`` digits, or all of those before the point.

    >>> number(0.72345), number(1234.6), number(1234.6, digits=4)
    ('0.723', '1,235', '1,235')
    """
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def spanned(low: float | int, high: float | int) -> str:
    """A range as people write it: one number, where both ends print alike.

    >>> spanned(1.04, 1.2), spanned(2, 2), spanned(0, float("inf"))
    ('1.04–1.2', '2', '≥ 0')
    """
    if math.isinf(high):
        return f"≥ {number(low)}"
    if math.isinf(low):
        return f"≤ {number(high)}"
    first, last = number(low), number(high)
    return first if first == last else f"{first}–{last}"


def quotient(above: float | int, below: float | int) -> float | None:
    """``above / below``; None where ``below`` is zero, so that there is no ratio to it.

    >>> quotient(3, 2), quotient(3, 0)
    (1.5, None)
    """
    return above / below if below else None


def rounded(value: float | int, digits: int) -> float:
    """The nearest number of so many digits."""
    return float(f"{value:.{digits}g}")


def printed(table: pd.DataFrame, digits: int = 3) -> str:
    """A table for a terminal, its numbers as ``number`` prints them."""
    return table.to_string(index=False, na_rep=NOTHING, float_format=lambda value: number(value, digits))
