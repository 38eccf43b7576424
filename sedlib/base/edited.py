"""Refuses the results of a script for which a file was edited while it ran.

DVC records the parameters that a stage has when it ends, and not those that it began with. What was computed from the
old ones would stand for the result of the new ones, here and with all who pull it.
"""

import functools
import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from pydantic import BaseModel

from sedlib.base.errors import UserError, quoted

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")
_reads: dict[Hashable, Callable[[], Iterator[str]]] | None = None
"""For each reading inside `watching`, what now differs from what was read first; None outside."""


@contextmanager
def watching() -> Iterator[None]:
    """Remember what is read inside; on leaving without an error, refuse if that has changed.

    Raises
    ------
    UserError
        As ``require_unedited``.
    """
    global _reads
    before, _reads = _reads, {}
    try:
        yield
        require_unedited()
    finally:
        _reads = before


def watched(read: Callable[Arguments, Found]) -> Callable[Arguments, Found]:
    """``read``, remembered inside ``watching``; it has an argument ``path`` and returns a mapping or a model.

    What it calls itself is not remembered: an edit of what it leaves out is none.
    """
    signature = inspect.signature(read)

    @functools.wraps(read)
    def reading(*arguments: Arguments.args, **named: Arguments.kwargs) -> Found:
        found = _alone(lambda: read(*arguments, **named))
        if _reads is not None:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            path = bound.arguments["path"]
            _reads.setdefault(
                (read, *bound.arguments.values()),
                lambda: (f"{path}: {line}" for line in _differing(found, _alone(lambda: read(*arguments, **named)))),
            )
        return found

    return reading


def require_unedited() -> None:
    """Read again what was read inside ``watching``, and compare.

    Raises
    ------
    UserError
        A file no longer says what it said, or can no longer be read.
    """
    for differing in (_reads or {}).values():
        try:
            lines = list(differing())
        except UserError as error:
            lines = [str(error)]
        if lines:
            raise UserError(
                "\n".join(lines) + "\nThis was edited while the stage ran, and DVC would record the result as one of "
                "what the file says now. Undo the edit and run the stage again, or run it for the new values."
            )


def _alone(read: Callable[[], Found]) -> Found:
    """What ``read`` returns, with nothing remembered of what it calls."""
    global _reads
    before, _reads = _reads, None
    try:
        return read()
    finally:
        _reads = before


def _differing(before: object, now: object, key: str = "") -> Iterator[str]:
    """A line for each value that differs, with its dotted key."""
    before, now = (dict(value) if isinstance(value, BaseModel) else value for value in (before, now))
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        if before != now:
            yield f"{key} was {quoted(before)} and is {quoted(now)}"
        return
    for name in {**before, **now}:
        place = f"{key}.{name}" if key else str(name)
        if name not in now:
            yield f"{place} is gone"
        elif name not in before:
            yield f"{place} is new"
        else:
            yield from _differing(before[name], now[name], place)
