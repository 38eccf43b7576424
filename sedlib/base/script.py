"""Ends a script with a message, and without a traceback, on an error that its user can fix."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sedlib.base.errors import UserError


@contextmanager
def clear_errors() -> Iterator[None]:
    """End the script with code 1 and the message, without a traceback, on a UserError or Ctrl-C."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {' '.join([Path(sys.argv[0]).stem, *sys.argv[1:]])} is not finished")
