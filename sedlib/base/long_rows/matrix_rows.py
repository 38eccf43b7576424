"""What a matrix of long rows is to the library: something that gives blocks of itself."""

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from sedlib.base.border.kinds import unreadable, wrong_kind


@runtime_checkable
class Rows(Protocol):
    """A matrix read in blocks: a tensor, a NumPy array, or an HDF5 dataset that never is in memory whole."""

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        ...

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray | Tensor: ...


def require_rows(rows: object, name: str = "rows") -> None:
    """Refuse what is no matrix of real numbers that can be read in blocks now.

    Raises
    ------
    WrongKindError
        It is no such thing: a list, a path, a table with an index of its own, a matrix that hides or leaves out values.
    ValueError
        It is an HDF5 dataset whose file is closed, has other than two axes, or no real numbers.

    Examples
    --------
    >>> require_rows([np.ones(3), np.ones(3)])
    Traceback (most recent call last):
    sedlib.base.errors.WrongKindError: rows: expected a matrix [rows, params], got a list; np.stack makes one
    """
    if type(rows).__module__.startswith("h5py") and not rows:
        raise ValueError(
            f"{name}: expected an open HDF5 dataset, got one whose file is closed; read it while it is open"
        )
    if not isinstance(rows, Rows) or isinstance(rows, np.ma.MaskedArray) or _is_foreign(rows):
        several = isinstance(rows, list | tuple) and bool(rows)
        remedy = "np.stack makes one" if several else "np.asarray or its to_numpy makes one" * hasattr(rows, "shape")
        raise wrong_kind(name, "a matrix [rows, params]", rows, remedy)
    if len(rows.shape) != 2:
        raise ValueError(f"{name}: expected a matrix [rows, params], got shape {tuple(rows.shape)}")
    dtype = getattr(rows, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got {dtype}; give real and imaginary parts as columns")
    if isinstance(rows, Tensor) and (why := unreadable(rows)):
        raise ValueError(f"{name}: expected a dense tensor [rows, params], got one that is {why}")


def _is_foreign(rows: object) -> bool:
    """Tables and sparse matrices, which are indexed otherwise."""
    return type(rows).__module__.partition(".")[0] in ("pandas", "polars", "scipy", "xarray")


def of_slices(key: object, name: str = "rows") -> tuple[slice, slice]:
    """The two slices of a block, neither of which leaves anything out.

    Raises
    ------
    ValueError
        They are others.

    Examples
    --------
    >>> of_slices((slice(0, 2), slice(0, 9, 3)))
    Traceback (most recent call last):
    ValueError: rows: expected two slices without a step, as rows[0:2, 0:100], got (slice(0, 2, None), slice(0, 9, 3))
    """
    if isinstance(key, tuple) and len(key) == 2:
        rows, columns = key
        if isinstance(rows, slice) and isinstance(columns, slice) and {rows.step, columns.step} <= {None, 1}:
            return rows, columns
    raise ValueError(f"{name}: expected two slices without a step, as rows[0:2, 0:100], got {key}")
