"""Datasets that grow by a row at a time."""

import h5py
import numpy as np

from sedlib.base.hdf5.dataset import stored_type
from sedlib.base.hdf5.written_file import require_no_failed_write

CHUNK_ELEMENTS = 2**14


def growing(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str = "float32") -> h5py.Dataset:
    """An empty dataset ``[0, *shape]`` to append to, chunked for reading by rows and by blocks of columns."""
    return file.create_dataset(
        name, shape=(0, *shape), maxshape=(None, *shape), dtype=h5py.Datatype(stored_type(dtype)), chunks=_chunk(shape)
    )


def _chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """As much of one row as ``CHUNK_ELEMENTS`` are, whole along its last axes; of single numbers, as many rows."""
    if not shape:
        return (CHUNK_ELEMENTS // 16,)
    rest, chunk = CHUNK_ELEMENTS, []
    for length in reversed(shape):
        chunk.append(min(length, rest))
        rest = max(1, rest // max(1, length))
    return (1, *reversed(chunk))


def append(dataset: h5py.Dataset, row: np.ndarray | int) -> None:
    """Add one row at the end of a growing dataset.

    Raises
    ------
    OSError
        A write to its file failed, now or before.
    """
    dataset.resize(len(dataset) + 1, axis=0)
    dataset[-1] = row
    require_no_failed_write(dataset)
