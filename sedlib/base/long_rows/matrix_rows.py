"""What a matrix of long rows is to the library: something that gives blocks of itself."""

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor


@runtime_checkable
class Rows(Protocol):
    """A matrix read in blocks: a tensor, a NumPy array, or an HDF5 dataset that never is in memory whole."""

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        ...

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray | Tensor: ...
