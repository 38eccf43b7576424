"""One call at a time in a folder of rows: rows of two, of other seeds or tasks, would take each other's place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sedlib.base.errors import UserError


@contextmanager
def only_call(folder: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it when the process ends, however it does.

    Raises
    ------
    UserError
        Another call holds it.

    Examples
    --------
    >>> import tempfile
    >>> with only_call(folder := Path(tempfile.mkdtemp())), only_call(folder):
    ...     pass
    Traceback (most recent call last):
    sedlib.base.errors.UserError: rows: another call takes rows in ...: wait until it has ended, or choose another ...
    """
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout as error:
        raise UserError(
            f"rows: another call takes rows in {folder}: wait until it has ended, or choose another folder by rows="
        ) from error
