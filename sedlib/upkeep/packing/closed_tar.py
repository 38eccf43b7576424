"""Files as a tar archive under xz, of which there is one for equal files; a reader accepts that one alone.

`tar xf` reads it too. The reader here interprets nothing but names and sizes: it makes the archive of what it found
anew and compares, so that links, devices, owners, times, extended headers and whatever else tar can hold are refused.
"""

import lzma
from collections.abc import Iterator, Mapping

from sedlib.upkeep.tar_blocks import BLOCK, END, ArchiveError, header, padding, read_header

LARGEST_ARCHIVE, LARGEST_UNPACKED = 10_000_000, 2**27
"""In bytes: what git keeps of each version, and ten times the tables of the paper."""
PRESET = 6 | lzma.PRESET_EXTREME
"""Of xz: 9 saves a thousandth of numbers as texts, and takes 600 MB."""
MOST_MEMORY = 2**26
"""Bytes that the decompressor may take; the preset needs an eighth."""


def archived(files: Mapping[str, bytes]) -> bytes:
    """The archive of files by name.

    Raises
    ------
    ArchiveError
        A name is longer than tar can have it.
    """
    return lzma.compress(_tar(files), preset=PRESET)


def extracted(archive: bytes) -> dict[str, bytes]:
    """The files in an archive by name, in the order of their names.

    Raises
    ------
    ArchiveError
        It is damaged, larger than the limits, or not what ``archived`` makes of these files.
    """
    if len(archive) > LARGEST_ARCHIVE:
        raise ArchiveError(f"more than {LARGEST_ARCHIVE:,} bytes")
    tar = _decompressed(archive)
    files: dict[str, bytes] = {}
    for name, content in _members(tar):
        if name in files:
            raise ArchiveError(f"{name!r} twice")
        files[name] = content
    if _tar(files) != tar:
        raise ArchiveError("other bytes than its files give")
    return files


def _tar(files: Mapping[str, bytes]) -> bytes:
    members = ((name, files[name]) for name in sorted(files))
    return b"".join(header(name, len(content)) + content + padding(len(content)) for name, content in members) + END


def _decompressed(archive: bytes) -> bytes:
    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_MEMORY)
    try:
        content = reader.decompress(archive, LARGEST_UNPACKED + 1)
    except lzma.LZMAError as error:
        raise ArchiveError(f"no whole xz file ({error})") from error
    if len(content) > LARGEST_UNPACKED:
        raise ArchiveError(f"more than {LARGEST_UNPACKED:,} bytes once unpacked")
    if not reader.eof or reader.unused_data:
        raise ArchiveError("bytes after its end" if reader.eof else "an end that is missing")
    return content


def _members(tar: bytes) -> Iterator[tuple[str, bytes]]:
    place = 0
    while (block := tar[place : place + BLOCK]) != END[:BLOCK]:
        try:
            name, size = read_header(block)
        except ArchiveError as error:
            raise ArchiveError(f"{error}, at byte {place:,} once unpacked") from error
        start = place + BLOCK
        if not 0 <= size <= len(tar) - start:
            raise ArchiveError(f"{name!r} of {size:,} bytes, more than the file has")
        yield name, tar[start : start + size]
        place = start + size + len(padding(size))
