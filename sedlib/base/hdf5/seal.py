"""The seal of an HDF5 file: SHA-256 of all that it holds, in the user block before it, which HDF5 leaves to its owner.

It tells damage, a flipped bit or a lost end, from what was written. It does not tell who wrote it: a forger seals too.
Without sedlib: ``head -1 FILE`` shows the seal, ``tail -c +513 FILE | sha256sum`` what it must be.
"""

import hashlib
import io
import os
import re
from pathlib import Path

USER_BLOCK = 512
"""Bytes before the HDF5 file proper; the smallest that HDF5 knows."""
SEAL = re.compile(rb"sedlib sha256 [0-9a-f]{64} of (?P<size>\d{1,18}) bytes\n")


def seal(path: Path) -> None:
    """Write the seal of the finished file at ``path``, which was made with a user block of ``USER_BLOCK`` bytes."""
    with path.open("r+b") as file:
        block = _seal_of(file)
        file.seek(0)
        file.write(block)


def seal_problem(path: Path) -> str | None:
    """What is wrong with the file at ``path``; None where it is as it was sealed.

    It is read once, in pieces, and nothing of it is interpreted.
    """
    with path.open("rb") as file:
        found = file.read(USER_BLOCK)
        if (sealed := SEAL.match(found)) is None:
            return "no seal: an older sedlib or another program wrote the file, or its first bytes are lost"
        size = file.seek(0, os.SEEK_END) - USER_BLOCK
        if size != int(sealed["size"]):
            return f"{size:,} bytes where {int(sealed['size']):,} were sealed: a part is lost, or the seal is damaged"
        if found != _seal_of(file):
            return "a damaged file: its bytes are not those that were sealed"
    return None


def _seal_of(file: io.BufferedReader | io.BufferedRandom) -> bytes:
    file.seek(USER_BLOCK)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"sedlib sha256 {digest} of {file.tell() - USER_BLOCK} bytes\n".encode().ljust(USER_BLOCK, b"\0")
