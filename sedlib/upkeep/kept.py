"""What DVC should keep: every object that the locks name, with the stages and paths that it belongs to."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.output import Output
from dvc.repo import Repo

DIRECTORY = ".dir"
LARGEST_LIST = 2**26
"""Bytes of a directory's list of files, at most."""


@dataclass
class Kept:
    """An object by the hash of its content, which is its name in cache and remote."""

    oid: str
    owners: dict[Path, str] = field(default_factory=dict)
    """Paths in the workspace, each with the address of the stage that writes it."""

    def __str__(self) -> str:
        path, stage = next(iter(self.owners.items()))
        more = f" and {len(self.owners) - 1} more" if len(self.owners) > 1 else ""
        return f"{path}{more}, which {stage} writes"


def outputs(repo: Repo, paths: Iterable[Path]) -> list[tuple[str, Output]]:
    """Cached outputs that a lock knows, with their stages: all, or those that lie at, in or above one of ``paths``."""
    wanted = [path.absolute() for path in paths]
    every = [(stage.addressing, out) for stage in repo.index.stages for out in stage.outs if out.use_cache]
    return [
        (stage, out)
        for stage, out in every
        if out.hash_info and (not wanted or any(meet(Path(out.fs_path), path) for path in wanted))
    ]


def kept(repo: Repo, wanted: Iterable[tuple[str, Output]]) -> dict[str, Kept]:
    """Objects of outputs by their names; the files of a directory as far as its list is there, and whole."""
    found: dict[str, Kept] = {}
    for stage, out in wanted:
        path = Path(out.fs_path).relative_to(repo.root_dir)
        for oid, owner in [(out.hash_info.value, path), *_files(repo.cache.local, out.hash_info.value, path)]:
            found.setdefault(oid, Kept(oid)).owners[owner] = stage
    return found


def is_whole(fs: Any, path: str, oid: str) -> bool:
    """Whether a file's content has the hash by which it is named."""
    with fs.open(path, "rb") as file:
        digest = hashlib.md5(usedforsecurity=False)
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest() == oid.removesuffix(DIRECTORY)


def _files(cache: Any, oid: str, folder: Path) -> Iterator[tuple[str, Path]]:
    listing = Path(cache.oid_to_path(oid))
    if not oid.endswith(DIRECTORY) or not listing.exists() or listing.stat().st_size > LARGEST_LIST:
        return
    if is_whole(cache.fs, str(listing), oid):
        yield from ((entry["md5"], folder / entry["relpath"]) for entry in json.loads(listing.read_bytes()))


def meet(one: Path, other: Path) -> bool:
    """Whether one path is the other, or lies in it."""
    return one == other or one in other.parents or other in one.parents
