r"""The dtype in which rows are stored; whatever it is, they are read as float32.

- ``float16`` has 11 significant bits, but its exponents end at 6e-5 (6e-8 with fewer bits), above most of a late
  gradient. So each row is divided by its *scale*, a power of two that brings the largest magnitude between
  :math:`2^{14}` and :math:`2^{15}`: nothing overflows, and what vanishes is below :math:`2^{-39}` of the largest.
- ``bfloat16`` has 8 significant bits and float32's exponents. HDF5 declares it by its bit fields and converts on
  reading, about ten times as slowly as NumPy converts float16.

Shapes: a row is ``[params]``, a stream ``[rows, params]``.
"""

from dataclasses import dataclass
from typing import Literal

import h5py
import numpy as np
from jaxtyping import Float

from sedlib.base.hdf5.growing import append, growing

RowDtype = Literal["float32", "float16", "bfloat16"]
LARGEST_EXPONENT = 15
"""Scaled rows stay below 2 to this power; float16 ends at 2¹⁶."""


@dataclass(frozen=True)
class ScaledRows:
    """Rows stored as float16, read in blocks as the float32 rows that they stand for."""

    stored: h5py.Dataset
    scales: Float[np.ndarray, " rows"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and params."""
        return self.stored.shape

    def __getitem__(self, key: tuple[slice, slice]) -> Float[np.ndarray, "chosen columns"]:
        """A block of rows and columns."""
        return self.stored[key].astype(np.float32) * self.scales[key[0], None]


def append_row(file: h5py.File, name: str, row: Float[np.ndarray, " params"], dtype: RowDtype) -> None:
    """Add a row to the stream ``name``; to ``scale/name`` its scale, where the dtype needs one."""
    if name not in file:
        _new_stream(file, name, len(row), dtype)
    if dtype == "float16":
        scale = _scale(row)
        append(file[f"scale/{name}"], scale)
        row = (row / scale).astype(np.float16)
    append(file[name], row)


def _new_stream(file: h5py.File, name: str, size: int, dtype: RowDtype) -> None:
    if dtype == "float16":
        growing(file, f"scale/{name}", ())
    growing(file, name, (size,), dtype)


def _scale(row: Float[np.ndarray, " params"]) -> Float[np.ndarray, ""]:
    """The row's scale, never below float32's normal numbers."""
    _, exponent = np.frexp(np.abs(row).max())
    smallest = np.finfo(np.float32).minexp
    return np.ldexp(np.float32(1), max(int(exponent) - LARGEST_EXPONENT, smallest))[...]
