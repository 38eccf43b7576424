"""Whether the files of a report are those that were written together: their hashes, in one of them."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError, listed
from sedlib.base.strict_json import json_text

WRITTEN = Path("data/written.json")
"""File with the SHA-256 of every other file of the report, by its path in the report's folder."""
NEEDED = ("metrics.json", "data/computed_with.json")


def record(folder: Path, files: Iterable[Path]) -> None:
    """Write down which bytes the report's ``files`` have; their paths are relative to ``folder``."""
    hashes = {file.as_posix(): _hash(folder / file) for file in sorted(files)}
    with replacing(folder / WRITTEN) as path:
        path.write_text(json_text(hashes, indent=1) + "\n")


def require_as_written(folder: Path) -> None:
    """Refuse a report of which a file is missing, or has other bytes than it was written with.

    Raises
    ------
    UserError
        There is such a file, or a table that was not written with the others, or it is not known what was written; the
        message names the files and the remedy.
    """
    recorded = _recorded(folder)
    shown = [f"data/{file.name}" for file in sorted((folder / "data").glob("*.csv"))]
    broken = [name for name, expected in recorded.items() if _hash(folder / name) != expected]
    broken += [name for name in (*NEEDED, *shown) if name not in recorded]
    if broken:
        raise UserError(
            f"{folder}: expected the files that the report was written with, but {listed(broken)} are missing, have "
            "other bytes, or were not written with the others; run `make report`, or restore them with git checkout"
        )


def _recorded(folder: Path) -> dict[str, Any]:
    file = folder / WRITTEN
    try:
        found: Any = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot read the hashes of the report's files; run `make report`") from error
    if not isinstance(found, dict) or not found or not all(isinstance(value, str) for value in found.values()):
        raise UserError(f"{file}: expected hashes of the report's files, by their names; run `make report`")
    return found


def _hash(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, ValueError):  # a name that no file can have
        return None
