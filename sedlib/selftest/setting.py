"""The device and the precision that are checked, and the numbers that routines are given there.

Numbers are drawn by NumPy, so that they do not depend on what is checked. They are float64 on the CPU, of values that
the checked precision holds exactly: a routine and its oracle start from equal ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Setting:
    """Where routines run, and in which precision."""

    device: torch.device
    dtype: torch.dtype

    def normal(self, *shape: int, seed: int = 0) -> Tensor:
        """Independent normal numbers."""
        return self.rounded(torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)))

    def whole(self, below: int, *shape: int, seed: int = 0) -> Tensor:
        """Independent whole numbers, 0 … ``below`` − 1."""
        return torch.from_numpy(np.random.default_rng(seed).integers(below, size=shape))

    def stream(self, n_rows: int, size: int, seed: int = 0) -> Tensor:
        """Rows that vary in four directions, by 8, 4, 2 and 1, and in all others by 0.01."""
        random = np.random.default_rng(seed)
        parts = random.standard_normal((n_rows, 4)) * (8, 4, 2, 1)
        rows = np.einsum("rk,kp->rp", parts, random.standard_normal((4, size))) / np.sqrt(size)
        return self.rounded(torch.from_numpy(rows + 0.01 * random.standard_normal((n_rows, size)) / np.sqrt(size)))

    def basis(self, rank: int, size: int, seed: int = 0) -> Tensor:
        """Orthonormal rows, to the precision's rounding."""
        drawn = np.random.default_rng(seed).standard_normal((size, rank))
        return self.rounded(torch.from_numpy(np.linalg.qr(drawn)[0].T.copy()))

    def rounded(self, values: Tensor) -> Tensor:
        """The nearest values that the precision holds, in float64."""
        return values.to(self.dtype).double()

    def on(self, values: Tensor) -> Tensor:
        """The values as the routine gets them: on the device, floating-point ones in its precision."""
        return values.to(self.device, self.dtype if values.is_floating_point() else None)

    def rows(self, values: Tensor) -> np.ndarray:
        """Rows of a stream as the routines read them: a NumPy array in the precision."""
        return values.to(self.dtype).numpy()

    def all_on(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Each of them on the device."""
        return [self.on(value) for value in values]
