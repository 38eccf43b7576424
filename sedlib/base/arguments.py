"""Types of command-line arguments that lead to files: none leads out of the working directory."""

import argparse
import re
from pathlib import Path

from sedlib.base.errors import quoted


def file_name(text: str) -> str:
    """The name of a file or folder in a folder that the script knows.

    >>> file_name("add-42-control")
    'add-42-control'

    Raises
    ------
    argparse.ArgumentTypeError
        It could lead elsewhere.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a name: use letters, digits, . _ and -")
    return text


def number_name(text: str) -> str:
    """A positive number as the name of a folder.

    >>> number_name("0.001")
    '0.001'

    Raises
    ------
    argparse.ArgumentTypeError
        It is no number, or no name.
    """
    if not re.fullmatch(r"[0-9]*\.?[0-9]+(e-?[0-9]{1,2})?", text, re.ASCII) or not float(text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a positive number")
    return file_name(text)


def folder_below(text: str) -> Path:
    """A folder in the working directory or below it.

    >>> folder_below("sweeps/constraints/results").as_posix()
    'sweeps/constraints/results'

    Raises
    ------
    argparse.ArgumentTypeError
        It is elsewhere, where a script has nothing to write.
    """
    path = Path(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise argparse.ArgumentTypeError(f"{quoted(text)} must be a folder below the working directory")
    return path
