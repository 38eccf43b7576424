r"""Principal components of a parameter trajectory, from Gram matrices, and random walks to compare them with.

With :math:`W_t` a block of the parameters (a matrix, flattened) at checkpoint t of T, the rows of X are the
displacements :math:`W_t - W_0`, and :math:`H = I - \mathbf 1 \mathbf 1^\top / T` centres its columns. The principal
components are the right singular vectors of :math:`H X`; all that is asked of them lies in the eigenvectors of the T×T
matrix :math:`H X X^\top H`. Source: arXiv 2602.16746.

Shapes: positions and displacements are ``[steps, params]`` and are read in blocks of columns, Gram matrices of
displacements ``[steps, steps]`` in float64.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import gammaincinv
from torch import Tensor

from sedlib.base.finite import require_finite
from sedlib.base.precision import SMALLEST_RATIO
from sedlib.bases import RollingBases, Rows, centred, diagonals, rolling_bases

FEWEST_STEPS = 3  # two centred rows always lie on one line


@dataclass(frozen=True)
class Displacements:
    """Rows :math:`W_t - W_0` of one block of a trajectory, in float64; read as sedlib.bases.Rows.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, or no such columns.
    """

    positions: Rows
    block: slice

    def __post_init__(self) -> None:
        steps, size = self.positions.shape
        if steps < FEWEST_STEPS:
            raise ValueError(f"a trajectory needs at least {FEWEST_STEPS} checkpoints, got {steps}")
        if not 0 <= self.block.start < self.block.stop <= size:
            raise ValueError(f"columns {self.block.start} to {self.block.stop} are no block of {size:,} parameters")

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and the block's parameters."""
        return self.positions.shape[0], self.block.stop - self.block.start

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns of two slices."""
        rows, columns = key
        start, stop, _ = columns.indices(self.shape[1])
        columns = slice(self.block.start + start, self.block.start + stop)
        origin = np.asarray(self.positions[:1, columns], dtype=np.float64)
        return np.asarray(self.positions[rows, columns], dtype=np.float64) - origin


def principal_components(gram: Float64[Tensor, "steps steps"], rank: int) -> RollingBases:
    """Top ``rank`` principal directions as coefficients over the rows, and all singular values: one window of all T.

    The coefficients of a direction sum to zero, so that ``sedlib.bases.directions(rows, components, 0)`` gives the
    directions from displacements and from positions alike.

    Raises
    ------
    ValueError
        The centred displacements span fewer than ``rank`` dimensions.
    """
    return rolling_bases(diagonals(centred(gram), len(gram) - 1), len(gram), rank)


def pc1_percent(gram: Float64[Tensor, "steps steps"]) -> float:
    r"""Percentage of the trajectory's variance along its first component, :math:`100 \sigma_1^2 / \sum_i \sigma_i^2`.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, the Gram matrix is not finite, or the block does not move.

    Examples
    --------
    >>> line = torch.arange(4.0, dtype=torch.float64)[:, None]
    >>> round(pc1_percent(line @ line.T), 6)
    100.0
    """
    if len(gram) < FEWEST_STEPS:
        raise ValueError(f"a trajectory needs at least {FEWEST_STEPS} checkpoints, got {len(gram)}")
    require_finite(gram=gram)
    about_mean = centred(gram)
    total = float(about_mean.trace())
    if not total > SMALLEST_RATIO[torch.float64] ** 2 * float(gram.diagonal().abs().max()):  # both are squares
        raise ValueError(f"a block that does not move over {len(gram)} checkpoints has no principal component")
    return 100 * float(torch.linalg.eigvalsh(about_mean)[-1]) / total


def expanding_pc1_percent(gram: Float64[Tensor, "steps steps"]) -> Float64[Tensor, " windows"]:
    """PC1 % of the first n checkpoints, for n = 3 … T; the last is that of the whole trajectory.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, or the block does not move over the first three.
    """
    sizes = range(FEWEST_STEPS, max(len(gram), FEWEST_STEPS) + 1)
    return torch.tensor([pc1_percent(gram[:size, :size]) for size in sizes], dtype=torch.float64)


def step_norms(gram: Float64[Tensor, "steps steps"]) -> Float64[Tensor, " intervals"]:
    r"""Length of each step, :math:`\lVert W_t - W_{t-1} \rVert`.

    Raises
    ------
    ValueError
        The Gram matrix is not finite.
    """
    require_finite(gram=gram)
    sizes = gram.diagonal()
    return (sizes[1:] + sizes[:-1] - 2 * gram.diagonal(-1)).clamp(min=0).sqrt()


def random_walk(
    step_norms: Float64[Tensor, " intervals"], size: int, generator: torch.Generator
) -> Float64[Tensor, "steps dims"]:
    """A walk in ``size`` dimensions whose steps have these lengths and independent uniform directions, up to rotation.

    Exact, and without a vector of ``size``: directions are normalised Gaussian rows Z, the LQ decomposition of Z has
    independent entries (Bartlett), normal below the diagonal and the root of a χ² variable with ``size`` − i degrees
    of freedom at its i-th place, counted from 0, and L alone has all inner products of Z. ``dims`` is at most the
    number of steps.

    Raises
    ------
    ValueError
        The size is less than 1, or a length is negative or not finite.
    """
    require_finite(step_norms=step_norms)
    if size < 1 or (step_norms < 0).any():
        raise ValueError(f"expected a size of at least 1 and lengths of at least 0, got {size}, {step_norms.tolist()}")
    count = len(step_norms)
    dims = min(count, size)
    rows = torch.randn(count, dims, generator=generator, dtype=torch.float64).tril(-1)
    freedom = size - np.arange(dims)
    quantiles = torch.rand(dims, generator=generator, dtype=torch.float64).numpy()
    rows.diagonal().copy_(torch.from_numpy(np.sqrt(2 * gammaincinv(freedom / 2, quantiles))))
    steps = step_norms.cpu()[:, None] * rows / rows.norm(dim=1, keepdim=True)
    return torch.cat([torch.zeros(1, dims, dtype=torch.float64), steps.cumsum(0)])


def random_walk_null(
    gram: Float64[Tensor, "steps steps"], size: int, count: int, generator: torch.Generator
) -> Float64[Tensor, " walks"]:
    """PC1 % of ``count`` random walks with the trajectory's step lengths, in the ``size`` dimensions of its block.

    In many dimensions walks of equal steps have 600/π² ≈ 61 %, whatever their length, with little spread.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, or the block does not move.
    """
    lengths = step_norms(gram)
    walks = (random_walk(lengths, size, generator) for _ in range(count))
    return torch.tensor([pc1_percent(walk @ walk.T) for walk in walks], dtype=torch.float64)


def z_score(value: float, null: Float64[Tensor, " walks"]) -> float:
    """How many standard deviations of the null ``value`` is above its mean.

    Raises
    ------
    ValueError
        The value is not finite, or the null has fewer than two values, or does not vary.
    """
    if not math.isfinite(value):
        raise ValueError(f"value: expected a finite number, got {value}")
    require_finite(null=null)
    if len(null) < 2 or not 0 < float(null.std()) < math.inf:
        raise ValueError(f"a z-score needs at least two values that differ, got {null.tolist()[:3]}")
    found = (value - float(null.mean())) / float(null.std())
    if not math.isfinite(found):
        raise ValueError(f"a null that varies by {float(null.std()):.2g} is too narrow for a z-score of {value}")
    return found
