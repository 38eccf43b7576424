"""Errors that a user can fix: scripts print them without a traceback."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

LONGEST_QUOTE = 60
"""Characters of a value that a message repeats."""
SHOWN = 3
"""Names that a message repeats of many."""
LONGEST_TEXT = 400
"""Characters of a message's part that repeats more than one."""


class UserError(Exception):
    """Wrong input or a broken file; the message says what was expected, what came, where, and what to do."""


class WrongKindError(TypeError, ValueError):
    """An argument is of the wrong kind: a TypeError as in Python, and a ValueError as every refusal of the library."""


@contextmanager
def located(place: str) -> Iterator[None]:
    """Say where a number was met that a function inside refuses with a ValueError.

    Raises
    ------
    UserError
        There was one; the message names the ``place``, such as a step, and what is refused there.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error


def in_one_line(text: str) -> str:
    r"""A text that came from outside as a message can show it: cut, in one line, without control characters.

    >>> in_one_line("a\nb")
    'a\\nb'
    """
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:LONGEST_TEXT])
    return shown if len(text) <= LONGEST_TEXT else f"{shown}…"


def quoted(value: object) -> str:
    """A value as Python writes it, cut to what fits in a line of a message.

    >>> quoted("a" * 1000)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"
    """
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def listed(names: Collection[str]) -> str:
    """The first of some names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(quoted, list(names)[:SHOWN])) + more
