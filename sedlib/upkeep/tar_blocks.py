"""The blocks of a tar archive of regular files with neither owners nor times, and nothing else that tar can hold."""

import tarfile

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)


class ArchiveError(ValueError):
    """The bytes are no such archive; the message says what was found."""


def header(name: str, size: int) -> bytes:
    """The block before the content of a file of ``size`` bytes.

    Raises
    ------
    ArchiveError
        tar can hold neither such a name nor such a size.
    """
    described = tarfile.TarInfo(name)
    described.size = size
    try:
        return described.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:  # UnicodeError is one
        raise ArchiveError(f"{name!r}, a file that no tar archive can have: {error}") from error


def read_header(block: bytes) -> tuple[str, int]:
    """Name and size of the file whose content follows.

    Raises
    ------
    ArchiveError
        The block is no header, or that of something else than a regular file.
    """
    try:
        described = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise ArchiveError(f"no header of a file ({error})") from error
    if not described.isreg():
        raise ArchiveError(f"{described.name!r}, which is no regular file")
    return described.name, described.size


def padding(size: int) -> bytes:
    """Zeros after a content of ``size`` bytes, up to the next block."""
    return bytes(-size % BLOCK)
