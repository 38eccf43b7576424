"""Settings of a sweep that are a folder each: what they must have in common."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sedlib.base.errors import UserError

Value = TypeVar("Value")


def the_same(name: str, values: Mapping[str, Value]) -> Value:
    """The parameter ``name`` of all folders, whose numbers stand in one table.

    >>> the_same("grok_threshold", {"0.001": 0.98, "0.003": 0.98})
    0.98

    Raises
    ------
    UserError
        It differs; the message has the value of each folder.
    """
    first = next(iter(values.values()))
    if any(value != first for value in values.values()):
        listed = ", ".join(f"{folder}: {value}" for folder, value in values.items())
        raise UserError(f"{name} must be the same in every folder, got {listed}; edit their params.yaml")
    return first


def require_different(names: Sequence[str]) -> None:
    """Refuse folders that would stand in each other's place.

    Raises
    ------
    UserError
        Two have one name.
    """
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"each folder must be given once, under a name of its own; twice came {', '.join(twice)}")
