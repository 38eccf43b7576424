"""What differs between two measurements of one block: cells of tables whose ranges, or numbers, are apart.

A cell is a number, or a median with its extremes: ``0.60 (0.57 to 0.61)``. Two medians differ where their ranges are
apart; two numbers, where one is more than a share larger than the other.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

NUMBER = r"[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?"
RANGE = re.compile(rf"({NUMBER}) \(({NUMBER}) to ({NUMBER})\)")
PLAIN = re.compile(rf"({NUMBER})( ?%)?")


@dataclass(frozen=True)
class Measured:
    """A cell of numbers."""

    value: float
    low: float
    high: float
    is_range: bool

    @classmethod
    def of(cls, cell: str) -> "Measured | None":
        """None of a cell that is no number."""
        if found := RANGE.fullmatch(cell):
            value, low, high = (_number(part) for part in found.groups())
            return cls(value, low, high, is_range=True)
        if found := PLAIN.fullmatch(cell):
            value = _number(found[1])
            return cls(value, value, value, is_range=False)
        return None

    def differs(self, other: "Measured", share: float) -> bool:
        """Whether the two are apart."""
        if self.is_range and other.is_range:
            return self.low > other.high or other.low > self.high
        least, most = sorted([self.value, other.value])
        return most > (1 + share) * least


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def tables(text: str) -> dict[tuple[str, str], str]:
    """Cells of all tables by row and column; a row is named by its first cell, and numbered where that comes again."""
    found: dict[tuple[str, str], str] = {}
    named: Counter[str] = Counter()
    header: list[str] = []
    for line in [*text.splitlines(), ""]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            header = []
        elif not header:
            header = _distinct(cells)
        elif not set("".join(cells)) <= set("-: "):
            row = cells[0] if Measured.of(cells[0]) is None else f"{header[0]} {cells[0]}"
            named[row] += 1
            row = row if named[row] == 1 else f"{row}, number {named[row]}"
            found |= {(row, column): cell for column, cell in zip(header[1:], cells[1:], strict=False)}
    return found


def _distinct(header: list[str]) -> list[str]:
    """Names of columns; one of a name that comes again is called after the one that it follows."""
    named: list[str] = []
    group = ""
    for name in header:
        if ": " in name:
            group = name.partition(": ")[0]
        named.append(f"{group}: {name}" if name in header[: len(named)] or (group and ": " not in name) else name)
    return named


def differences(before: str, now: str, share: float, *, exact: bool) -> Iterator[str]:
    """A line for each cell that differs, and for each row that one of them lacks.

    ``exact``: nothing was measured, so that any other text differs.
    """
    old, new = tables(before), tables(now)
    for row, column in old.keys() | new.keys():
        first, second = old.get((row, column)), new.get((row, column))
        if first is None or second is None:
            yield f"{row}, {column}: {first or 'not there'} → {second or 'not there'}"
        elif first != second if exact else _apart(first, second, share):
            yield f"{row}, {column}: {first} → {second}"


def _apart(first: str, second: str, share: float) -> bool:
    measured, again = Measured.of(first), Measured.of(second)
    return measured is not None and again is not None and measured.differs(again, share)
