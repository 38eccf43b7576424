"""`sedlib unbundle`: the files of a bundle into cache and workspace, those alone that this clone's dvc.lock names."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dvc.fs import localfs
from dvc.output import Output
from dvc.repo import Repo

from sedlib.base.atomic import sync, unwritable
from sedlib.base.errors import UserError, in_one_line, quoted
from sedlib.base.progress import say, track
from sedlib.upkeep.bundling.locked_files import LOCK, content_hash, held, locked_files, locked_repository, size
from sedlib.upkeep.kept import is_whole
from sedlib.upkeep.places import Place
from sedlib.upkeep.tar_blocks import BLOCK, END, ArchiveError, header, padding, read_header

CHUNK = 2**20
NOTHING = "The workspace is as it was"


@dataclass(frozen=True)
class Member:
    """A file in a bundle."""

    name: str
    size: int
    place: int
    """First byte of its content."""


def unbundle(path: Path) -> None:
    """Take the files of a bundle into DVC's cache, then link all of them into the workspace.

    The bundle is believed in nothing: a file must have name, size and MD5 as this clone's dvc.lock has them.

    Raises
    ------
    UserError
        It cannot be read, is damaged, hostile, or of another state than the lock; there is too little space; or
        something else is in a file's place.
    """
    named = in_one_line(str(path))
    with _opened(path) as archive, locked_repository() as repo:
        known = locked_files(repo)
        try:
            members = list(_members(archive, path.stat().st_size, known, named))
            outputs = [known[member.name] for member in members]
            with held(repo, [], outputs):
                for member in members:
                    _require_place(member.name, known[member.name], Path(repo.root_dir))
                _into_cache(archive, members, known, repo)
                repo.checkout([output.fs_path for output in outputs], force=True)
        except ArchiveError as error:
            raise UserError(
                f"{named}: expected a bundle as `sedlib bundle` writes it, found {error}. {NOTHING}"
            ) from error
    names = [member.name for member in members]
    runs = [Path(name).stem for name in names if Path(name).parent.name == "gradients"]
    say(f"{len(names)} files are here as {LOCK} says")
    if not all(f"artifacts/checkpoints/{run}.h5" in names for run in runs):
        say(f"Now: dvc repro --allow-missing {' '.join(f'figures@{run}' for run in runs)}")
        say("Plain dvc repro would miss the checkpoints, and train again")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    named = in_one_line(str(path))
    try:
        if not path.is_file():
            what = "no regular file" if path.exists() else "missing"
            raise UserError(f"{named} is {what}; expected a bundle as `sedlib bundle` writes it")
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{named} cannot be read ({error.strerror})") from error
    with file:
        yield file


def _members(archive: BinaryIO, length: int, known: Mapping[str, Output], named: str) -> Iterator[Member]:
    """The files after dvc.lock; their headers, order, padding and end are those that ``bundle`` writes.

    Raises
    ------
    ArchiveError
        One is not.
    UserError
        The lock does not know one.
    """
    before = ""
    for member in _headers(archive, length):
        if (member.name == LOCK.as_posix()) != (not before):
            raise ArchiveError(f"no {LOCK} as its first file, or a second one")
        if before and before != LOCK.as_posix() and member.name <= before:
            raise ArchiveError(f"{quoted(member.name)} twice, or not in the order of the names")
        if before:
            _require_known(member, known.get(member.name), named)
            yield member
        before = member.name
    if before in ("", LOCK.as_posix()):
        raise ArchiveError("no files")


def _headers(archive: BinaryIO, length: int) -> Iterator[Member]:
    place = 0
    while (block := archive.read(BLOCK)) != END[:BLOCK]:
        name, size = read_header(block)
        if header(name, size) != block:
            raise ArchiveError(f"{quoted(name)} with more than a name and a size")
        after = padding(size)
        yield Member(name, size, place + BLOCK)
        archive.seek(place + BLOCK + size)
        if archive.read(len(after)) != after:
            raise ArchiveError(f"an early end, or bytes between files, after {quoted(name)}")
        place += BLOCK + size + len(after)
    if length != place + len(END) or archive.read(BLOCK) != END[:BLOCK]:
        raise ArchiveError("bytes after its end, or no whole end")


def _require_known(member: Member, output: Output | None, named: str) -> None:
    if output is None or member.size != size(output):
        expected = f"{size(output):,}" if output else "no such file"
        raise UserError(
            f"{named} is of another state than this clone: it has {quoted(member.name)} of {member.size:,} bytes, and "
            f"{LOCK} has {expected}. Check out the commit that it is of; `tar xOf {named} {LOCK}` prints the lock of "
            f"that commit. {NOTHING}"
        )


def _require_place(name: str, output: Output, root: Path) -> None:
    """Refuse where something else is in the file's place, or its folder is not one of the repository."""
    path = root / name
    for folder in [folder for folder in path.parents if root in folder.parents]:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UserError(f"{folder.relative_to(root)} is no folder of this repository; move it away. {NOTHING}")
    free = not path.exists() and not path.is_symlink()
    if not free and not (path.is_file() and is_whole(localfs, str(path), content_hash(output))):
        raise UserError(
            f"{name} is here, and is not what {LOCK} says: move it away, or if it is damaged restore it with `sedlib "
            f"verify --fix {name}`. {NOTHING}"
        )


def _into_cache(archive: BinaryIO, members: list[Member], known: Mapping[str, Output], repo: Repo) -> None:
    cache = Place("cache", repo.cache.local)
    missing = [member for member in members if not cache.has_whole(content_hash(known[member.name]))]
    if not missing:
        return
    store = Path(repo.cache.local.path).parent
    scratch = store / f".unbundling-{hashlib.sha256(repo.root_dir.encode()).hexdigest()[:16]}"
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed: the repository's lock is ours
        scratch.mkdir(parents=True)
        needed, free = sum(member.size for member in missing), shutil.disk_usage(scratch).free
        if needed > free:
            raise UserError(f"{store} has {free:,} bytes free, and the bundle needs {needed:,}. {NOTHING}")
        for member in track(missing, len(missing), "unbundling", lambda member: member.name):
            oid, copy = content_hash(known[member.name]), scratch / "content"
            if _copied(archive, member, copy) != oid:
                raise ArchiveError(f"{member.name} with another hash than {LOCK} has: damaged, or of another state")
            sync(copy)
            if localfs.exists(cache.path(oid)):
                cache.remove(oid)  # it is damaged
            cache.store.add(str(copy), localfs, oid, hardlink=True)
            copy.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{store} cannot take the files: {unwritable(error) or error} ({error}). {NOTHING}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _copied(archive: BinaryIO, member: Member, target: Path) -> str:
    """Copy a file out of the archive; the MD5 of what was copied."""
    digest, left = hashlib.md5(usedforsecurity=False), member.size
    archive.seek(member.place)
    with target.open("wb") as file:
        while left and (chunk := archive.read(min(CHUNK, left))):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    return digest.hexdigest()
