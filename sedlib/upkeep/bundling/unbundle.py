"""`sedlib unbundle`: the files of a bundle into cache and workspace, those alone that this clone's locks name."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dvc.fs import localfs
from dvc.output import Output
from dvc.repo import Repo

from sedlib.base.errors import UserError, quoted
from sedlib.base.progress import say, track
from sedlib.upkeep.bundling.locked_files import LOCK, content_hash, locked_files, locked_repository, size
from sedlib.upkeep.kept import is_whole
from sedlib.upkeep.places import Place
from sedlib.upkeep.tar_blocks import BLOCK, END, ArchiveError, header, padding, read_header

CHUNK = 2**20


@dataclass(frozen=True)
class Member:
    """A file in a bundle."""

    name: str
    size: int
    place: int
    """First byte of its content."""


def unbundle(path: Path) -> None:
    """Take the files of a bundle into DVC's cache, and link them into the workspace.

    The bundle is believed in nothing: a file must have name, size and MD5 as this clone's locks have them.

    Raises
    ------
    UserError
        It is damaged, hostile, or of another state than the locks; or a file is here with other content.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing, or no regular file; expected a bundle as `sedlib bundle` writes it")
    with locked_repository() as repo, path.open("rb") as archive:
        try:
            members = _members(archive, path.stat().st_size)
            known = locked_files(repo)
            for member in members:
                _require_expected(member, known, path)
            for member in track(members, len(members), "unbundling", lambda member: member.name):
                _take(archive, member, known[member.name], repo)
        except ArchiveError as error:
            raise UserError(f"{path}: expected a bundle as `sedlib bundle` writes it, found {error}") from error
    dumps = [Path(member.name) for member in members if Path(member.name).parent.name == "gradients"]
    runs = " ".join(f"figures@{dump.stem}" for dump in dumps)
    say(f"{len(members)} files are here as {LOCK} says. Now: dvc repro --allow-missing {runs}")
    say("Plain dvc repro would miss the checkpoints, and train again")


def _members(archive: BinaryIO, length: int) -> list[Member]:
    """The files after dvc.lock; their headers, order and end are those that ``bundle`` writes.

    Raises
    ------
    ArchiveError
        One is not.
    """
    found = list(_headers(archive, length))
    if not found or found[0].name != LOCK.as_posix():
        raise ArchiveError(f"no {LOCK} as its first file")
    names = [member.name for member in found[1:]]
    if names != sorted(set(names)) or not names:
        raise ArchiveError("no files after it" if not names else "files twice, or not in the order of their names")
    return found[1:]


def _headers(archive: BinaryIO, length: int) -> Iterator[Member]:
    place = 0
    while (block := archive.read(BLOCK)) != END[:BLOCK]:
        name, size = read_header(block)
        if header(name, size) != block:
            raise ArchiveError(f"{quoted(name)} with more than a name and a size")
        yield Member(name, size, place + BLOCK)
        place += BLOCK + size + len(padding(size))
        if place > length - len(END):
            raise ArchiveError(f"{quoted(name)} of {size:,} bytes, more than the file has")
        archive.seek(place)
    if length != place + len(END) or archive.read(BLOCK) != END[:BLOCK]:
        raise ArchiveError("bytes after its end, or no whole end")


def _require_expected(member: Member, known: Mapping[str, Output], bundle: Path) -> None:
    output = known.get(member.name)
    if output is None or member.size != size(output):
        expected = f"{size(output):,}" if output else "no such file"
        raise UserError(
            f"{bundle} is of another state than this clone: it has {quoted(member.name)} of {member.size:,} bytes, and "
            f"{LOCK} has {expected}. Check out the commit that it is of; `tar xOf {bundle} {LOCK}` prints the lock of "
            "that commit. Nothing was taken"
        )
    if Path(member.name).exists() and not is_whole(localfs, member.name, content_hash(output)):
        raise UserError(f"{member.name} is here with other content than {LOCK} says; move it away. Nothing was taken")


def _take(archive: BinaryIO, member: Member, output: Output, repo: Repo) -> None:
    oid, cache = content_hash(output), Place("cache", repo.cache.local)
    if not cache.has_whole(oid):
        if localfs.exists(cache.path(oid)):
            cache.remove(oid)  # it is damaged
        with tempfile.TemporaryDirectory(dir=repo.tmp_dir) as folder:
            copy = Path(folder) / "content"
            if _copy(archive, member, copy) != oid:
                raise ArchiveError(f"{member.name} with another hash than {LOCK} has: damaged, or of another state")
            cache.store.add(str(copy), localfs, oid, hardlink=True)
    output.checkout(force=True)


def _copy(archive: BinaryIO, member: Member, target: Path) -> str:
    """Copy a file out of the archive; the MD5 of what was copied."""
    digest, left = hashlib.md5(usedforsecurity=False), member.size
    archive.seek(member.place)
    with target.open("wb") as file:
        while left and (chunk := archive.read(min(CHUNK, left))):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    return digest.hexdigest()
