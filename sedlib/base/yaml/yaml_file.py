"""Reads a YAML file that may come from anywhere: what it costs is bounded, and its values are of the plainest kinds.

Refused are files that are no text or too large, what ``yaml_scan`` refuses, numbers that no parameter can be, and
dates, which DVC cannot read.
"""

import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sedlib.base.errors import LONGEST_QUOTE, UserError, quoted
from sedlib.base.yaml.yaml_scan import Keys, scanned

LARGEST_FILE = 256 * 1024
"""Bytes: some thousands of runs. DVC needs a second for each fifty kilobytes."""
LARGEST_NUMBER = 2**63 - 1
"""Whole numbers have 64 bits in tables and in HDF5."""


def read_mapping(path: Path, most_aliases: int = 0) -> dict[str, Any]:
    """The mapping in a YAML file, of texts, finite numbers, true, false, null, lists and mappings, and nothing else.

    The parser is the one that DVC uses, so that both see the same values.

    Parameters
    ----------
    most_aliases
        How many aliases (``*name``) the file may have. They are references to one object, and not copied.

    Raises
    ------
    UserError
        The file is missing or refused; the message says in which line, and why.
    """
    text = _text(path)
    try:
        lines = scanned(YAML(typ="safe").parse(text), most_aliases)
        values = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise UserError(f"{path}{_place(error)} is not valid YAML: {_reason(error)}") from error
    except UserError as error:
        raise UserError(f"{path}, {error}") from error
    except ValueError as error:  # of Python, which builds the values: 2026-02-31, a number of 5,000 digits
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping of names to values, got {type(values).__name__}")
    for keys, problem in _problems(values, ()):
        line = f", line {lines[keys]}" if keys in lines else ""
        raise UserError(f"{path}{line}: {'.'.join(keys)} {problem}")
    return values


def _without_waiting(name: str, flags: int) -> int:
    """Open a file without waiting, as a pipe without a writer would make its reader wait."""
    return os.open(name, flags | os.O_NONBLOCK)


def _text(path: Path) -> str:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UserError(f"{path} is not a regular file and might never end; give a YAML file")
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; run from the root of the repository") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > LARGEST_FILE:
        raise UserError(f"{path} has more than {LARGEST_FILE:,} bytes, which no file of parameters needs; shorten it")
    if content.startswith(b"\xef\xbb\xbf"):
        raise UserError(f"{path}, line 1 begins with a byte order mark; save the file as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line} is not valid YAML: byte {content[error.start]:#04x} is no UTF-8; save it as UTF-8"
        ) from error


def _problems(values: Any, keys: Keys) -> Iterator[tuple[Keys, str]]:
    """Values that no parameter can have, each with where it stands."""
    if isinstance(values, dict):
        for key, value in values.items():
            if isinstance(key, str):
                yield from _problems(value, (*keys, key))
            else:
                yield (*keys, str(key)[:LONGEST_QUOTE]), f"is a key of type {type(key).__name__}; put it in quotes"
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _problems(value, (*keys, str(number)))
    elif isinstance(values, float) and not math.isfinite(values):
        yield keys, f"= {values} must be a finite number"
    elif isinstance(values, int) and abs(values) > LARGEST_NUMBER:
        yield keys, f"is a number of {values.bit_length()} bits, and must have fewer than 64"
    elif values is not None and not isinstance(values, str | int | float | bool):
        kind = type(values).__name__
        yield keys, f"= {quoted(values)} is a {kind}, expected a text, a number, a list or a mapping; put it in quotes"


def _place(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return "" if mark is None else f", line {mark.line + 1}"


def _reason(error: YAMLError) -> str:
    """What is wrong, on one line."""
    parts = [getattr(error, name, None) for name in ("context", "problem", "reason")]
    told = ", ".join(str(part) for part in parts if part)
    return told or str(error).splitlines()[0]
