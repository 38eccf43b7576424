"""`sedlib unpack`: result tables from the pack into the workspace, those that are missing there."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from sedlib.base.atomic import sync
from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.upkeep.packing.locked_tables import Locked
from sedlib.upkeep.packing.place import MAIN, PACK, RESULTS, Place
from sedlib.upkeep.packing.table_pack import read_pack

SCRATCH = ".unpacking-"


def unpack(place: Place = MAIN) -> None:
    """Write the tables that are missing; what is there stays as it is.

    Raises
    ------
    UserError
        The pack is damaged, or of another state than DVC's locks and params.yaml, so that nothing is written; or
        nothing can be written.
    """
    try:
        RESULTS.parent.mkdir(exist_ok=True)
        with FileLock(RESULTS.parent / f"{SCRATCH}lock"):
            for debris in RESULTS.parent.glob(f"{SCRATCH}*/"):
                shutil.rmtree(debris)  # of one that was killed
            _unpack(place)
    except OSError as error:
        raise UserError(
            f"{place.pack} cannot be unpacked into {place.folder} ({error}); existing files are whole"
        ) from error


def unpack_if_none() -> None:
    """Unpack where there is a pack, and not one file of results, so that results of two states never mix.

    Raises
    ------
    UserError
        As ``unpack``.
    """
    if PACK.exists() and not has_results():
        unpack()


def has_results(folder: Path = RESULTS) -> bool:
    """Whether a single file is among the results."""
    return any(not path.is_dir() for path in folder.rglob("*"))


def only_in_pack() -> list[str]:
    """A sentence about tables that the pack has and the workspace has not, where there are some."""
    with suppress(UserError):  # there is no pack, or a damaged one, which is of no help
        if missing := [name for name in read_pack() if not Path(name).exists()]:
            return [f"{len(missing)} tables and descriptions of {PACK} are not here: `sedlib unpack` brings them"]
    return []


def _unpack(place: Place) -> None:
    tables = read_pack(place)
    missing = {name: content for name, content in tables.items() if not Path(name).exists()}
    locked = Locked.load(place)
    _require_one_state(missing, place, locked)
    if missing:
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=RESULTS.parent) as scratch:
            _write(missing, Path(scratch))
            _move(Path(scratch) / place.folder, place.folder)
    present = tables.keys() - missing.keys()
    others = sum(Path(name).read_bytes() != tables[name] for name in present)
    kept = f"; {len(present)} are there and stay as they are, {others} of them with other bytes" if present else ""
    say(f"{len(missing)} tables and descriptions unpacked from {place.pack}{_when(place.pack)}{kept}")
    if elsewhere := [name for name in locked.hashes if not Path(name).exists()]:
        say(f"{len(elsewhere)} more that DVC's locks name are not in the pack, the first is {elsewhere[0]}")


def _require_one_state(tables: Mapping[str, bytes], place: Place, locked: Locked) -> None:
    if differing := locked.differing(tables):
        raise UserError(
            f"{place.pack} is of another state than DVC's locks at {len(differing)} of {len(tables)} tables, the first "
            f"is {differing[0]}: run `sedlib pack` where they were computed, or check out pack and locks of one commit"
            ". Nothing was unpacked"
        )
    if changed := locked.changed_parameters(tables):
        raise UserError(
            f"{place.pack} was computed with other values of {', '.join(changed)} than params.yaml has: run "
            "`dvc repro`, or take the values back. Nothing was unpacked"
        )


def _write(tables: Mapping[str, bytes], folder: Path) -> None:
    for name, content in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        sync(folder / name)


def _move(unpacked: Path, folder: Path) -> None:
    """Move all tables at once where there are no results: a killed process leaves none, or all.

    Of a sweep, whose folder holds its pipeline, a killed process may leave some.
    """
    for empty in sorted(folder.rglob("*/"), reverse=True) if not has_results(folder) else ():
        empty.rmdir()
    with suppress(OSError):  # there are results, or a link to a folder
        unpacked.rename(folder)
        sync(folder.parent)
        return
    for file in [path for path in unpacked.rglob("*") if path.is_file()]:
        target = folder / file.relative_to(unpacked)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():  # another command may have written it meanwhile
            file.rename(target)


def _when(pack: Path) -> str:
    """The day of the commit that has the pack, where git knows."""
    with suppress(OSError):  # there is no git
        asked = ["git", "log", "-1", "--format=%cs", "--", str(pack)]
        day = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        return f", committed on {day}" if day else ""
    return ""
