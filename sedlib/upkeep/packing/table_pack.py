"""A pack: the result tables of a workspace with their descriptions in one archive, and a list of their hashes."""

import hashlib
import json
from collections.abc import Mapping

from sedlib.base.errors import UserError, quoted
from sedlib.base.strict_json import json_text
from sedlib.upkeep.packing.closed_tar import LARGEST_ARCHIVE, archived, extracted
from sedlib.upkeep.packing.place import MAIN, Place
from sedlib.upkeep.tar_blocks import ArchiveError

KIND = "results/1"


def packed(tables: Mapping[str, bytes], place: Place = MAIN) -> bytes:
    """The pack of tables and descriptions by name; equal ones give equal bytes.

    Raises
    ------
    UserError
        It would be larger than git should keep, or a name is too long.
    """
    try:
        pack = archived({place.manifest: _manifest(tables), **tables})
    except ArchiveError as error:
        raise UserError(f"the tables cannot be packed, found {error}; choose a shorter name for the run") from error
    if len(pack) > LARGEST_ARCHIVE:
        raise UserError(
            f"the pack would have {len(pack):,} bytes, and git keeps each version of at most {LARGEST_ARCHIVE:,}; "
            f"largest before they are compressed: {_largest(tables)}. Leave runs out of "
            f"{place.folder if place.is_of_a_sweep else 'params.yaml'}, or measure fewer checkpoints"
        )
    return pack


def read_pack(place: Place = MAIN) -> dict[str, bytes]:
    """The tables and descriptions in a pack by name, after all of it was checked.

    Raises
    ------
    UserError
        It is damaged, of another version, or holds what ``packed`` would not write.
    """
    path = place.pack
    if not path.is_file():
        raise UserError(
            f"{path} is missing, or no regular file; restore it with `git checkout {path}`; if git has none, compute "
            f"the results: `{place.repro}`"
        )
    with path.open("rb") as file:
        content = file.read(LARGEST_ARCHIVE + 1)
    try:
        return _tables(extracted(content), place)
    except ArchiveError as error:
        raise UserError(
            f"{path}: expected a pack as `sedlib pack` writes it, found {error}. Nothing was unpacked; restore it with "
            f"`git checkout {path}`, or compute the tables with `{place.repro}`"
        ) from error


def _tables(files: dict[str, bytes], place: Place) -> dict[str, bytes]:
    manifest = files.pop(place.manifest, b"{}")
    for name in files:
        if not place.holds(name):
            raise ArchiveError(f"{quoted(name)}, which is the name of no table in {place.folder}")
    if manifest != _manifest(files):
        raise ArchiveError(_problem(manifest, files, place.manifest))
    return files


def _problem(manifest: bytes, files: Mapping[str, bytes], list_name: str) -> str:
    """In what the list of hashes differs from the files."""
    try:
        said = json.loads(manifest)
        kind, hashes = said.get("kind"), said.get("sha256", {})
        wrong = [name for name in {**hashes, **files} if hashes.get(name) != _sha256(files.get(name, b""))]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return f"a list of hashes {list_name} that is none"
    if kind != KIND:
        return f"{quoted(kind)} in place of {KIND}: it is of another version, or no pack"
    return f"{quoted(wrong[0])} with another hash than {list_name} says" if wrong else f"another {list_name}"


def _manifest(tables: Mapping[str, bytes]) -> bytes:
    hashes = {name: _sha256(tables[name]) for name in sorted(tables)}
    return f"{json_text({'kind': KIND, 'sha256': hashes}, indent=1)}\n".encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _largest(tables: Mapping[str, bytes]) -> str:
    """The three kinds of files that take most."""
    sizes: dict[str, int] = {}
    for name, content in tables.items():
        *_, folder, file = name.split("/")
        kind = f"{folder}/" if folder in ("ablation", "interventions") else file
        sizes[kind] = sizes.get(kind, 0) + len(content)
    kinds = sorted(sizes, key=lambda kind: -sizes[kind])[:3]
    return ", ".join(f"{kind} with {sizes[kind]:,} bytes" for kind in kinds)
