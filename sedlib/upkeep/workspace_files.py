"""Files of the workspace that tell by themselves that they are damaged: a seal or a description does not fit them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from dvc.fs import localfs

from sedlib.base.described.description import description_of, facts, parsed
from sedlib.base.hdf5.seal import seal_problem
from sedlib.base.progress import track
from sedlib.upkeep.kept import Kept, is_whole

DESCRIPTION = ".resource.json"


def damaged_files(root: Path, objects: Iterable[Kept]) -> Iterator[tuple[Path, Kept, str]]:
    """Those that are neither what the lock says nor whole, and why; one that is whole may be newer than the lock."""
    files = [(root / path, found) for found in objects for path in found.owners if (root / path).is_file()]
    for path, found in track(files, len(files), "checking the workspace"):
        if not is_whole(localfs, str(path), found.oid) and (problem := _problem(path)):
            yield path, found, problem


def _problem(path: Path) -> str | None:
    if path.suffix == ".h5":
        return seal_problem(path)
    if path.name.endswith(DESCRIPTION):
        return None if parsed(path.read_bytes()) else "no description as it was written"
    beside = description_of(path)
    if not beside.is_file():
        return None
    if (said := parsed(beside.read_bytes())) is None:
        return f"nothing tells whether it is whole, as {beside.name} is damaged"
    found = facts(path, path.read_bytes())
    return None if {name: said.get(name) for name in found} == found else f"not what {beside.name} says"
