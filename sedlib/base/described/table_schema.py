"""What a table must be: its columns in order, what may stand in each, and what tells two rows apart."""

from dataclasses import dataclass
from typing import Any, Literal

from sedlib.base.described.description import FileKind

STEP = "step"
"""Column that grows from row to row among rows that are of the same thing."""
ROUNDING = 1e-4
"""By how much a number may be beyond its limit: shares and cosines are sums of float32, of up to 10⁵ terms."""


@dataclass(frozen=True)
class Column:
    """One column: every value is of one kind, within limits, and finite."""

    name: str
    kind: Literal["integer", "number", "string"]
    minimum: float | int | None = None
    maximum: float | int | None = None
    may_be_empty: bool = False
    may_be_infinite: bool = False
    is_optional: bool = False
    """Whether a table may do without."""

    @property
    def field(self) -> dict[str, Any]:
        """The column as a Table Schema of Frictionless has it."""
        limits = {"minimum": self.minimum, "maximum": self.maximum}
        known = {name: limit for name, limit in limits.items() if limit is not None}
        required = {} if self.may_be_empty else {"required": True}
        constraints = {"constraints": required | known} if required | known else {}
        return {"name": self.name, "type": self.kind, **constraints}


@dataclass(frozen=True)
class TableSchema(FileKind):
    """The contract of one kind of table."""

    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    """Columns of which no two rows have the same values; empty is a value."""
    takes_more: bool = False
    """Whether a study may add columns of numbers."""

    def columns_of(self, names: list[str]) -> list[Column] | str:
        """The columns of a table whose head has these names; as text the expected head, if no table has this one."""
        known = {column.name: column for column in self.columns}
        wanted = [name for name, column in known.items() if name in names or not column.is_optional]
        more = [name for name in names if name not in known] if self.takes_more else []
        if names != wanted + more or len(set(names)) < len(names):
            return ", ".join(wanted + more)
        return [known.get(name) or Column(name, "number") for name in names]


def integer(name: str, minimum: int | None = 0, **options: Any) -> Column:
    """A column of whole numbers, as a rule none negative."""
    return Column(name, "integer", minimum, **options)


def number(name: str, minimum: float | int | None = None, maximum: float | int | None = None, **options: Any) -> Column:
    """A column of numbers."""
    return Column(name, "number", minimum, maximum, **options)


def share(name: str, **options: Any) -> Column:
    """A column of numbers from 0 to 1."""
    return Column(name, "number", 0, 1, **options)


def string(name: str, **options: Any) -> Column:
    """A column of texts."""
    return Column(name, "string", **options)
