"""The file that HDF5 writes to: no failed write is lost, and none makes HDF5 crash."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from sedlib.base.hdf5.seal import USER_BLOCK

LARGEST_KEPT = 2**16
"""Bytes of a dropped write that are still there to be read: HDF5's own notes are smaller."""


class WrittenFile(io.FileIO):
    """Keeps the first error of a write; from then on it takes what comes and writes nothing.

    HDF5 writes most of a file when it is closed. Told that a write failed, it gives up without closing, tries again
    when the process ends, and crashes. So it is told nothing, and reads what it wrote.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.failure: OSError | None = None
        self._dropped: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        """Write all of ``data``, as far as nothing has failed."""
        rest = memoryview(data).cast("B")
        start, total = self.tell(), len(rest)
        try:
            while rest and not self.failure:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.failure = error
        if self.failure and total <= LARGEST_KEPT:
            self._dropped.append((start, bytes(data)))
        return total

    def readinto(self, buffer: Any) -> int:
        """Read what was written, or would have been."""
        view = memoryview(buffer).cast("B")
        start = self.tell()
        found = super().readinto(view)
        for place, data in self._dropped:
            first, last = max(place, start), min(place + len(data), start + len(view))
            if first < last:
                view[first - start : last - start] = data[first - place : last - place]
                found = max(found, last - start)
        return found

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file, as far as nothing has failed."""
        try:
            if not self.failure:
                return super().truncate(size)
        except OSError as error:
            self.failure = error
        return self.tell() if size is None else size


_open: dict[int, WrittenFile] = {}
"""By HDF5's own number of the file."""


@contextmanager
def written(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file with room for a seal, closed and whole on leaving without an error.

    Raises
    ------
    OSError
        A write failed, at any time.
    """
    with WrittenFile(path) as raw:
        with h5py.File(raw, "w", userblock_size=USER_BLOCK) as file:
            number = h5py.h5o.get_info(file.id).fileno
            _open[number] = raw
            try:
                yield file
            finally:
                del _open[number]
        if raw.failure:
            raise raw.failure


def require_no_failed_write(dataset: h5py.Dataset) -> None:
    """Raise what a write to the dataset's file failed with, before more is computed for it.

    Raises
    ------
    OSError
        A write failed.
    """
    raw = _open.get(h5py.h5o.get_info(dataset.id).fileno)
    if raw and raw.failure:
        raise raw.failure
