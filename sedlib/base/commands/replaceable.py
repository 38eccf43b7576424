"""A file that a command may write: a new one, or one that the same command wrote."""

from collections.abc import Callable
from pathlib import Path

from sedlib.base.errors import UserError


def require_replaceable(target: Path, is_ours: Callable[[bytes], bool], length: int, is_else: str) -> None:
    """Refuse to replace what the command did not write, such as a result, a lock or a device.

    Parameters
    ----------
    is_ours
        Whether the command wrote a file that begins with these bytes.
    length
        How many bytes it is asked about, at most.
    is_else
        What is said of another file.

    Raises
    ------
    UserError
        The folder is missing, or the command did not write what is there.
    """
    if not target.parent.is_dir():
        raise UserError(f"the folder {target.parent} is missing; make it first")
    if target.exists() or target.is_symlink():
        begins = b""
        if target.is_file():
            with target.open("rb") as file:
                begins = file.read(length)
        if not is_ours(begins):
            raise UserError(f"{target} exists and {is_else}; choose another name")
