"""Removes damaged outputs of stages from the workspace and from DVC's cache, so that DVC brings back whole ones.

DVC takes an object of its cache that is read-only for whole, and a file in the workspace may be that very object:
neither `dvc checkout --force` nor `dvc repro --force` nor `dvc pull --force` then replaces damaged bytes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo

from sedlib.base.errors import UserError


def forget(paths: Sequence[Path]) -> Iterator[Path]:
    """Remove the files at ``paths``, and what DVC's cache has under their hashes if its content has another.

    Yields
    ------
    What was removed.

    Raises
    ------
    UserError
        A path is no file that a stage writes; nothing was removed.
    """
    try:
        with Repo() as repo:
            outputs = [repo.find_outs_by_path(str(path.absolute()))[0] for path in paths]
    except DvcException as error:
        raise UserError(f"only files that stages write can be forgotten: {error}") from error
    for path, output in zip(paths, outputs, strict=True):
        kept = _object_of(output)
        damaged = [kept] if kept and kept.is_file() and not _is_whole(kept, output) else []
        for file in (path, *damaged):
            if file.is_symlink() or file.is_file():
                file.unlink()
                yield file


def _object_of(output: Output) -> Path | None:
    """Where the cache has an output's file, as dvc.lock knows its hash."""
    known = output.hash_info
    return Path(output.local_cache.oid_to_path(known.value)) if known and not known.isdir else None


def _is_whole(kept: Path, output: Output) -> bool:
    with kept.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == output.hash_info.value
