"""The description that lies beside a file: a Frictionless Data Resource, which ends with a hash of itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sedlib.base.errors import UserError
from sedlib.base.strict_json import json_text

CHECKSUM = "checksum"
REFUSED = (ValueError, RecursionError, UserError)  # ValueError: no JSON, no UTF-8; UserError: not finite


@dataclass(frozen=True)
class FileKind:
    """A kind of file that has a description."""

    name: str
    version: int
    stage: str
    """The DVC stage that writes it, for each run."""

    @property
    def tag(self) -> str:
        """Name and version of the kind, as descriptions have them."""
        return f"{self.name}/{self.version}"

    def stage_of(self, run: str) -> str:
        """Address of the stage that writes a run's file of this kind."""
        return f"{self.stage}@{run}"


@dataclass(frozen=True)
class Origin:
    """What a file was computed of."""

    name: str
    """Of the run, or of the intervention cell."""
    parameters: str | None = None
    """JSON text of all that determines it; a reader that does not know it accepts any."""

    @property
    def known(self) -> dict[str, Any]:
        """What a description says of the file's origin."""
        parameters = {} if self.parameters is None else {"parameters": json.loads(self.parameters)}
        return {"of": self.name, **parameters}


def description_of(path: Path) -> Path:
    """Where the description of the file at ``path`` lies: ``coupling.csv`` has ``coupling.resource.json``."""
    return path.with_suffix(".resource.json")


def facts(path: Path, content: bytes) -> dict[str, Any]:
    """What a description says of any file."""
    return {"path": path.name, "bytes": len(content), "hash": _hash(content)}


def description(path: Path, content: bytes, kind: FileKind, of: Origin, about: Mapping[str, Any]) -> bytes:
    """The text of a description; ``about`` are further properties of the content."""
    whole = {"name": kind.name, "format": path.suffix[1:], **facts(path, content), **about}
    return _text(_with_checksum({**whole, "sedlib": {"kind": kind.tag, **of.known}}))


def parsed(text: bytes) -> dict[str, Any] | None:
    """The description in a text, if every byte is as it was written."""
    try:
        values = json.loads(text)
        is_one = isinstance(values, dict) and isinstance(values.get("sedlib"), dict)
        return values if is_one and _text(_with_checksum(values)) == text else None
    except REFUSED:
        return None


def shown(value: Any) -> str:
    """A value from a file as a message can show it: short, on one line, without control characters."""
    text = json_text(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _with_checksum(values: Mapping[str, Any]) -> dict[str, Any]:
    """The description with a hash of everything else at its end."""
    said = {name: value for name, value in values["sedlib"].items() if name != CHECKSUM}
    return {**values, "sedlib": {**said, CHECKSUM: _hash(_text({**values, "sedlib": said}))}}


def _text(values: Mapping[str, Any]) -> bytes:
    """The description's text as its file has it; equal values give equal bytes."""
    return (json_text(values, indent=2) + "\n").encode()


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
