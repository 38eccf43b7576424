"""A file with a description beside it, by which a reader knows it whole: its kind, what it is of, its size and hash.

``coupling.csv`` has ``coupling.resource.json``, a Frictionless Data Resource. The description ends with a hash of
itself. Neither is believed without the other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.base.strict_json import json_text

LARGEST_FILE, LARGEST_DESCRIPTION = 2**26, 2**16
"""In bytes, a hundred times what the largest table of the paper and the longest description have."""
NOT_JSON = (ValueError, RecursionError, UserError)  # UserError: a number that is not finite
CHECKSUM = "checksum"


@dataclass(frozen=True)
class FileKind:
    """A kind of described file."""

    name: str
    version: int
    stage: str
    """The DVC stage that writes it, for each run."""

    @property
    def tag(self) -> str:
        """As descriptions have it."""
        return f"{self.name}/{self.version}"

    def stage_of(self, run: str) -> str:
        """Address of the stage that writes a run's."""
        return f"{self.stage}@{run}"


@dataclass(frozen=True)
class Origin:
    """What a file was computed of."""

    name: str
    """Of the run, or of the intervention cell."""
    parameters: str | None = None
    """JSON text of all that determines it; a reader that does not know it accepts any."""


def description_of(path: Path) -> Path:
    """Where the description of the file at ``path`` lies."""
    return path.with_suffix(".resource.json")


def restored(path: Path, stage: str) -> str:
    """Which commands bring back a damaged file and its description, that ``stage`` writes: a stage, or its dvc.yaml.

    DVC compares an object of its cache with the hash only if it may be written to, and a file in the workspace may be
    that object: `dvc checkout --force` brings back the damaged bytes, and so does `dvc repro --force`.
    """
    files = f"{path} {description_of(path)}"
    target = stage if stage.endswith(".yaml") else f"--single-item {stage}"
    return (
        f'Make DVC forget both files with `chmod -R u+w "$(dvc cache dir)" && rm -f {files}`, then compute them with '
        f"`dvc repro {target}`, or fetch them with `dvc pull {files}`."
    )


def write_described(path: Path, content: bytes, kind: FileKind, of: Origin, **about: Any) -> None:
    """Write a file, then its description; ``about`` are further properties of the content."""
    description = _described(path, content, kind, of, about)
    for target, written in ((path, content), (description_of(path), description)):
        with replacing(target) as temporary:
            temporary.write_bytes(written)


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
            f"{path}: expected its description {beside.name} beside it, found none: the file is of a version before "
            f"{kind.tag}. Write it anew with `dvc repro {stage}`."
        )
    text = _read(beside, LARGEST_DESCRIPTION, stage, path)
    description = _parsed(text)
    if description is None:
        raise damaged(path, f"a description {beside.name} as it was written", "a damaged one", stage)
    said, content = description["sedlib"], _read(path, LARGEST_FILE, stage, path)
    expected: dict[str, Any] = {"kind": kind.tag, "of": of.name}
    if of.parameters is not None:
        expected["parameters"] = json.loads(of.parameters)
    for name, value in expected.items():
        if said.get(name) != value:
            raise damaged(path, f"{name} {value}", f"{said.get(name)}", stage)
    found = {"path": path.name, "bytes": len(content), "hash": _hash(content)}
    for name, value in found.items():
        if description.get(name) != value:
            raise damaged(path, f"{name} {description.get(name)}", f"{value}", stage)
    return content, description


def damaged(path: Path, expected: str, found: str, stage: str) -> UserError:
    """What was expected of the file at ``path``, what was found, and how to bring it back."""
    return UserError(f"{path}: expected {expected}, found {found}. {restored(path, stage)}")


def _described(path: Path, content: bytes, kind: FileKind, of: Origin, about: Mapping[str, Any]) -> bytes:
    said = {"kind": kind.tag, "of": of.name, "parameters": json.loads(of.parameters or "null")}
    size = {"bytes": len(content), "hash": _hash(content)}
    values = {"name": kind.name, "path": path.name, "format": path.suffix[1:], **size, **about, "sedlib": said}
    return _text(_with_checksum(values))


def _with_checksum(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a hash of all else at its end."""
    said = {name: value for name, value in values["sedlib"].items() if name != CHECKSUM}
    plain = {**values, "sedlib": said}
    return {**values, "sedlib": {**said, CHECKSUM: _hash(_text(plain))}}


def _parsed(text: bytes) -> dict[str, Any] | None:
    """The description, if every byte of it is as it was written."""
    try:
        values = json.loads(text)
        is_whole = isinstance(values, dict) and isinstance(values.get("sedlib"), dict)
        return values if is_whole and _text(_with_checksum(values)) == text else None
    except NOT_JSON:
        return None


def _text(description: Mapping[str, Any]) -> bytes:
    """As the file has it; equal descriptions give equal bytes."""
    return (json_text(description, indent=2) + "\n").encode()


def _read(path: Path, limit: int, stage: str, described: Path) -> bytes:
    """Of a file that is not too large to look at."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise damaged(described, f"at most {limit:,} bytes in {path.name}", "more", stage)
    return content


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
