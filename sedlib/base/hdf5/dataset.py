"""What a dataset of an HDF5 file must be: its axes, its dtype, and which values it may have."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

HALF = 0.5
"""Mantissa of every power of two."""
SCAN_ELEMENTS = 2**22
"""Values looked at together."""


@dataclass(frozen=True)
class Dataset:
    """Axes and dtype that a dataset must have; its values are finite, and as the other fields say."""

    axes: tuple[str | int, ...]
    """Length or name of each axis."""
    dtype: str
    description: str
    optional: bool = False
    """Whether a file may do without."""
    increasing: bool = False
    least: int | None = None
    below: int | str | None = None
    """What every value is below: a number, or the length of the axis of this name."""
    power_of_two: bool = False
    """Whether every value is one, positive and not below the dtype's normal numbers."""
    start_of: Sequence[int] | None = None
    """What the values are the start of."""

    def form_problem(self, found: h5py.Dataset) -> str | None:
        """Why a dataset is not of these axes and this dtype, as far as the dataset alone shows; None where it is."""
        if found.id.get_type() != stored_type(self.dtype):
            return f"dataset {_name(found)} of dtype {found.dtype}, not {self.dtype}"
        fits = len(found.shape) == len(self.axes) and all(
            axis in (length, str(axis)) for axis, length in zip(self.axes, found.shape, strict=True)
        )
        return (
            None if fits else f"dataset {_name(found)} of shape {found.shape}, not [{', '.join(map(str, self.axes))}]"
        )

    def value_problem(self, found: h5py.Dataset, lengths: Mapping[str, int]) -> str | None:
        """A value that the dataset may not have; None if all are allowed. ``lengths`` are those of named axes."""
        below = lengths[self.below] if isinstance(self.below, str) else self.below
        for start, block in _blocks(found):
            good = np.isfinite(block)
            if self.least is not None:
                good &= block >= self.least
            if below is not None:
                good &= block < below
            if self.power_of_two:
                good &= (np.frexp(block)[0] == HALF) & (block >= np.finfo(block.dtype).tiny)
            if not good.all():
                where = [int(i) for i in np.argwhere(~good)[0]]
                return f"{block[tuple(where)]} in dataset {_name(found)} at {[where[0] + start, *where[1:]]}"
        if self.increasing and (np.diff(found[:]) <= 0).any():
            return f"values of {_name(found)} that do not increase: {_short(found[:])}"
        if self.start_of is not None and (found[:].tolist() != list(self.start_of[: len(found)])):
            return f"{_name(found)} of {_short(found[:])}, not the start of {_short(self.start_of)}"
        return None


def stored_type(dtype: str) -> h5py.h5t.TypeID:
    """The type by which HDF5 stores a NumPy dtype, or ``bfloat16``, which it reads as float32."""
    return _bfloat16() if dtype == "bfloat16" else h5py.h5t.py_create(np.dtype(dtype))


def _bfloat16() -> h5py.h5t.TypeID:
    """Sign, 8 bits of exponent biased by 127, 7 bits of mantissa: the upper half of a float32."""
    declared = h5py.h5t.IEEE_F32LE.copy()
    declared.set_fields(15, 7, 8, 0, 7)
    declared.set_size(2)
    declared.set_ebias(127)
    return declared


def _blocks(dataset: h5py.Dataset) -> Iterator[tuple[int, np.ndarray]]:
    """Its values, and the number of the first row of each piece; a row is the least that is read at once."""
    height = max(1, SCAN_ELEMENTS // max(1, math.prod(dataset.shape[1:])))
    for start in range(0, len(dataset), height):
        yield start, dataset[start : start + height]


def _name(dataset: h5py.Dataset) -> str:
    return repr(dataset.name.removeprefix("/"))


def _short(values: Sequence[int] | np.ndarray) -> str:
    first = ", ".join(str(value) for value in values[:5])
    return first if len(values) <= 5 else f"{first}, … ({len(values):,} in all)"
