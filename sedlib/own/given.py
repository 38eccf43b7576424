"""Words and folders that a call is given: refused by the argument's name before anything else happens."""

import os
from collections.abc import Collection
from pathlib import Path

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import UserError, quoted


def require_one_of(name: str, value: object, options: Collection[str]) -> None:
    """Refuse a word that is none of the options.

    Raises
    ------
    UserError
        It is none.

    Examples
    --------
    >>> require_one_of("response", "JVP", ("difference", "jvp"))
    Traceback (most recent call last):
    sedlib.base.errors.UserError: response: expected one of difference, jvp, got 'JVP'
    """
    if not isinstance(value, str) or value not in options:
        raise UserError(f"{name}: expected one of {', '.join(options)}, got {quoted(value)}")


def folder_for(name: str, place: object) -> Path:
    r"""A folder that is there, or one that can be made.

    Raises
    ------
    UserError
        It is neither: a file lies there or above it, or no file system has such a name.

    Examples
    --------
    >>> folder_for("rows", "a\0b")
    Traceback (most recent call last):
    sedlib.base.errors.UserError: rows: expected a folder, got 'a\x00b', which is no path
    """
    if not isinstance(place, str | Path):
        raise wrong_kind(name, "a folder, as a string or a Path", place)
    path, text = Path(place), quoted(str(place))
    if not str(place) or "\0" in str(place):
        raise UserError(f"{name}: expected a folder, got {text}, which is no path")
    try:
        os.fsencode(path)
        blocked = [each for each in (path, *path.parents) if not each.is_dir() and (each.is_symlink() or each.exists())]
    except (OSError, UnicodeEncodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file system has such a name"
        raise UserError(f"{name}: expected a folder, got {text}: {why}") from error
    if blocked:
        is_file = blocked[-1].exists()
        raise UserError(
            f"{name}: expected a folder, or a place for one, got {str(path)!r}: {str(blocked[-1])!r} is "
            f"{'a file' if is_file else 'a link that leads nowhere'}; choose another place"
        )
    return path
