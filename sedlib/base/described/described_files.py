"""Files with a description beside them (description.py); a reader believes neither without the other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sedlib.base.atomic import WriteError, replacing
from sedlib.base.described.description import FileKind, Origin, description, description_of, facts, parsed, shown
from sedlib.base.errors import UserError
from sedlib.base.remedy import remedy

LARGEST_FILE, LARGEST_DESCRIPTION = 2**26, 2**16
"""In bytes: tens of times the largest table of the paper, and the longest description."""


def write_described(path: Path, content: bytes, kind: FileKind, of: Origin, **about: Any) -> None:
    """Write a file, then its description; ``about`` are further properties of the content."""
    beside = description(path, content, kind, of, about)
    for target, written in ((path, content), (description_of(path), beside)):
        with replacing(target) as temporary:
            temporary.write_bytes(written)
            if temporary.read_bytes() != written:
                raise WriteError(
                    f"{target} cannot be written: the bytes read back differ from those written; check the disk"
                )


def read_described(path: Path, kind: FileKind, stage: str, of: Origin) -> tuple[bytes, dict[str, Any]]:
    """The content of a file, after it was compared with its description, and the description.

    ``stage`` is the address of the stage that writes it.

    Raises
    ------
    UserError
        One of the two is missing, damaged, too large, of another kind or version, or of another run; the message says
        what was expected, what was found, and which commands bring them back.
    """
    beside = description_of(path)
    if not path.exists():
        raise UserError(f"{path} is missing; run `dvc repro {stage}`")
    if not beside.exists():
        raise UserError(
            f"{path}: expected its description {beside.name} beside it, found none: the file is older than version "
            f"{kind.tag}. Write it again with `dvc repro {stage}`."
        )
    said = parsed(_read(beside, LARGEST_DESCRIPTION, path, stage))
    if said is None:
        raise damaged(path, f"a description {beside.name} as it was written", "a damaged one", stage)
    content = _read(path, LARGEST_FILE, path, stage)
    _require(path, {"kind": kind.tag, **of.known}, said["sedlib"], stage)
    found = facts(path, content)
    _require(path, {name: said.get(name) for name in found}, found, stage)
    return content, said


def damaged(path: Path, expected: str, found: str, stage: str) -> UserError:
    """What was expected of the file at ``path``, what was found, and how to bring it back."""
    return UserError(f"{path}: expected {expected}, found {found}. {remedy(stage, path, description_of(path))}")


def _require(path: Path, expected: Mapping[str, Any], found: Mapping[str, Any], stage: str) -> None:
    for name, value in expected.items():
        if found.get(name) != value:
            raise damaged(path, *_difference(name, value, found.get(name)), stage)


def _difference(name: str, expected: Any, found: Any) -> tuple[str, str]:
    """The first place where two values differ, with what is expected there, and what was found."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in {**expected, **found}:
            if expected.get(key) != found.get(key):
                return _difference(f"{name}.{key}", expected.get(key), found.get(key))
    return f"{name} {shown(expected)}", shown(found)


def _read(path: Path, limit: int, described: Path, stage: str) -> bytes:
    """The content of a file that is not too large to look at."""
    if not path.is_file():
        raise damaged(described, f"a file {path.name}", "no regular one", stage)
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise damaged(described, f"at most {limit:,} bytes in {path.name}", "more", stage)
    return content
