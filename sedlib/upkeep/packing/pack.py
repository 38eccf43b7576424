"""`sedlib pack`: the result tables that locks name, in one file that git keeps."""

from collections.abc import Collection
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.upkeep.packing.artifact_list import write_list
from sedlib.upkeep.packing.locked_tables import Locked
from sedlib.upkeep.packing.place import MAIN, PACK, Place
from sedlib.upkeep.packing.table_pack import packed, read_pack


def pack(place: Place = MAIN, *, drop: bool = False) -> None:
    """Write the pack of all tables that are here, and of those that are not and that the pack has already.

    Beside the main one, write the list of dumps and checkpoints that the locks name.

    Parameters
    ----------
    drop
        Leave out tables of the existing pack that the locks do not name.

    Raises
    ------
    UserError
        There are none; one is not what the locks say; the pack has one that the locks do not name, as where a lock was
        cut or lost; or the pack would be larger than git should keep.
    """
    locked = Locked.load(place)
    tables = {name: Path(name).read_bytes() for name in locked.hashes if Path(name).is_file()}
    if differing := locked.differing(tables):
        raise UserError(
            f"{len(differing)} of {len(tables)} tables are not what DVC's locks say, the first is {differing[0]}; run "
            f"`{place.repro}`, so that pack and locks fit each other"
        )
    before = _before(place, locked.hashes.keys() - tables)
    if (unknown := [name for name in before if name not in locked.hashes]) and not drop:
        raise UserError(
            f"{place.pack} has {len(unknown)} tables that DVC's locks do not name, or no stage writes, the first is "
            f"{unknown[0]}; restore locks and dvc.yaml with git checkout, or leave the tables out: "
            f"`sedlib pack --drop{f' {place.folder}' if place.is_of_a_sweep else ''}`"
        )
    tables = {name: content for name, content in before.items() if not locked.differing({name: content})} | tables
    if not tables:
        raise UserError(f"none of the tables that DVC's locks name is here; compute them with `{place.repro}`")
    content = packed(tables, place)
    if place == MAIN:
        write_list()
    with replacing(place.pack) as temporary:
        temporary.write_bytes(content)
    size = sum(map(len, tables.values()))
    say(f"{place.pack}: {len(tables)} tables and descriptions of {size:,} bytes, packed {len(content):,}")
    if missing := [name for name in locked.hashes if name not in tables]:
        say(f"{len(missing)} more tables that DVC's locks name are missing here, the first is {missing[0]}")


def _before(place: Place, missing: Collection[str]) -> dict[str, bytes]:
    """The tables of the existing pack; a damaged one has none, unless some are ``missing`` here."""
    if not place.pack.exists():
        return {}
    try:
        return read_pack(place)
    except UserError:
        if missing:
            raise
        return {}


def say_if_outdated() -> None:
    """Name the first table at which pack and locks differ, if any.

    Raises
    ------
    UserError
        The pack is damaged.
    """
    locked, tables = Locked.load(), read_pack()
    differing = locked.differing(tables)
    unpacked = [name for name in locked.hashes if name not in tables]
    if found := differing + unpacked:
        say(
            f"{PACK} is of another state than DVC's locks at {len(found)} tables, the first is {found[0]}: "
            "`sedlib pack` writes the pack again"
        )
