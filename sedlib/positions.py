"""Where a run's parameters were at every checkpoint, as rows of one matrix.

Shapes: positions are ``[steps, params]``, a row per checkpoint in the order of a ParamLayout.

Units: those of the parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.long_rows.matrix_rows import of_slices
from sedlib.base.nearest import nearest
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class Positions:
    """θ of every checkpoint as rows ``[steps, params]``, where each parameter lies in a dataset ``[steps, ...]``.

    Reads only the requested rows and columns, as sedlib.base.long_rows.matrix_rows.Rows does.

    Raises
    ------
    ValueError
        A parameter is missing, is not of the layout's shape at every step, or is complex or of integers; or the layout
        holds parts of parameters or merged weights.

    Examples
    --------
    >>> layout = ParamLayout(("weight", "bias"), ((2,), (1,)))
    >>> values = {"bias": np.array([[3.0], [6.0]]), "weight": np.array([[1.0, 2.0], [4.0, 5.0]])}  # of two checkpoints
    >>> positions = Positions(values, layout)
    >>> positions.shape, positions[0:2, 1:3].tolist()
    ((2, 3), [[2.0, 3.0], [5.0, 6.0]])
    """

    values: Mapping[str, Any]
    """Arrays or HDF5 datasets by parameter name."""
    layout: ParamLayout
    """Which parameters are read, and in what order."""

    def __post_init__(self) -> None:
        if not isinstance(self.layout, ParamLayout):
            raise wrong_kind("layout", "a ParamLayout", self.layout, "ParamLayout.select(module, …) makes one")
        if not isinstance(self.values, Mapping):
            raise wrong_kind("values", "a mapping of names to arrays [steps, ...]", self.values)
        if self.layout.slots:
            raise ValueError(f"expected a layout of whole parameters, got one with {nearest('', self.layout.names)}")
        if missing := [name for name in self.layout.names if name not in self.values]:
            raise ValueError(f"parameter {missing[0]!r} is missing; there are: {nearest(missing[0], self.values)}")
        for name, shape in zip(self.layout.names, self.layout.shapes, strict=True):
            _require_steps(name, self.values[name])
            if (found := tuple(self.values[name].shape)) != (expected := (self.shape[0], *shape)):
                raise ValueError(f"parameter {name!r}: expected shape {expected}, got {found}")

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and parameters."""
        return self.values[self.layout.names[0]].shape[0], self.layout.size

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns of two slices."""
        rows, columns = of_slices(key)
        start, stop, _ = columns.indices(self.layout.size)
        pieces, offset = [], 0
        for name, shape, size in zip(self.layout.names, self.layout.shapes, self.layout.sizes, strict=True):
            low, high = max(start - offset, 0), min(stop - offset, size)
            if low < high:
                pieces.append(_columns(self.values[name], rows, shape, low, high))
            offset += size
        return np.concatenate(pieces or [np.empty((len(range(*rows.indices(self.shape[0]))), 0))], axis=1)


def _require_steps(name: str, values: object) -> None:
    """Refuse what is no array with an axis of steps, or has no real floating-point numbers in a dtype of NumPy's."""
    if type(values).__module__.startswith("h5py") and not values:
        raise ValueError(f"parameter {name!r}: expected an open HDF5 dataset, got one whose file is closed")
    dtype = getattr(values, "dtype", None)
    if dtype is None or not len(getattr(values, "shape", ())):
        raise wrong_kind(f"parameter {name!r}", "an array [steps, ...]", values, "np.stack makes one of several")
    kind = "f" if isinstance(values, Tensor) and values.dtype in (torch.float32, torch.float64) else str(dtype)
    if (np.dtype(dtype).kind if isinstance(dtype, np.dtype) else kind) != "f":
        raise ValueError(f"parameter {name!r}: expected real floating-point numbers, got {dtype}")


def _columns(dataset: Any, rows: slice, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Columns low … high of a dataset ``[steps, *shape]`` seen as ``[steps, size]``."""
    if not shape:
        return np.asarray(dataset[rows])[:, None]
    stride = int(np.prod(shape[1:]))
    first = low // stride
    read = np.asarray(dataset[rows, first : -(-high // stride)])
    return read.reshape(len(read), -1)[:, low - first * stride : high - first * stride]
