"""Errors that a user can fix: scripts print them without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Wrong input or a broken file; the message says what was expected, what came, where, and what to do."""


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
