"""DVC's locks as DVC writes them; DVC itself takes any value for a hash or a size, and fails later, or not at all."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sedlib.base.errors import UserError, quoted

PARAMS = "params.yaml"
LOCKS = ("dvc.lock", "*/dvc.lock", "sweeps/*/dvc.lock")
HASH = re.compile(r"[0-9a-f]{32}(\.dir)?", re.ASCII)
NESTED = re.compile(r"[\[{]{100}")
"""What DVC never writes: it has a line for each entry."""
REFUSED = (YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError, OSError)


def locked_outputs(lock: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every output in a lock as DVC describes it, with the parameters of its stage.

    Raises
    ------
    UserError
        The lock is broken.
    """
    try:
        text = lock.read_text()
        if NESTED.search(text):
            raise RecursionError("brackets in brackets, at which a parser of YAML dies")
        for stage in YAML(typ="safe").load(text)["stages"].values():
            parameters = {**stage.get("params", {}).get(PARAMS, {})}
            for dependency in stage.get("deps", []):
                _require_written_by_dvc(dependency)
            for out in stage.get("outs", []):
                _require_written_by_dvc(out)
                yield {**out}, parameters
    except REFUSED as error:
        if type(error) is ValueError:  # a value that DVC takes, so that its own files count as whole
            remedy = f": {error}; restore it with `git checkout {lock}`"
        else:
            remedy = f"; run `sedlib repair`, or restore it with `git checkout {lock}`"
        raise UserError(f"{lock} is not a lock that DVC wrote{remedy}") from error


def require_whole_locks(root: Path = Path()) -> None:
    """Refuse a repository of which a lock is broken, before DVC reads it.

    Raises
    ------
    UserError
        One is; the message names it.
    """
    for lock in (found for pattern in LOCKS for found in sorted(root.glob(pattern))):
        for _ in locked_outputs(lock):
            pass


def _require_written_by_dvc(entry: Mapping[str, Any]) -> None:
    path, digest, size = entry["path"], entry.get("md5"), entry.get("size")
    if not isinstance(path, str):
        raise ValueError(f"path {quoted(path)} must be a text")
    if digest is not None and not (isinstance(digest, str) and HASH.fullmatch(digest)):
        raise ValueError(f"md5 of {quoted(path)} must be 32 hexadecimal digits, got {quoted(digest)}")
    if size is not None and (type(size) is not int or size < 0):
        raise ValueError(f"size of {quoted(path)} must be a number of bytes, got {quoted(size)}")
