r"""Principal components of a parameter trajectory, from Gram matrices, and random walks to compare them with.

With :math:`W_t` a block of the parameters (a matrix, flattened) at checkpoint t of T, the rows of X are the
displacements :math:`W_t - W_0`, and :math:`H = I - \mathbf 1 \mathbf 1^\top / T` centres its columns. The principal
components are the right singular vectors of :math:`H X`; all that is asked of them lies in the eigenvectors of the T×T
matrix :math:`H X X^\top H`. Source: arXiv 2602.16746.

Shapes: positions and displacements are ``[steps, params]``, a row per checkpoint, and are read in blocks of columns.
Gram matrices of displacements are ``[steps, steps]`` in float64. Between T checkpoints lie T − 1 steps: their lengths
are ``[intervals]``. A random walk is ``[steps, dims]``. There is a number for each of several ``[walks]``, or for each
of the expanding ``[windows]``.

Units: displacements and lengths are in the unit of the parameters, entries of a Gram matrix in its square; a PC1 % is a
percentage, a z-score a number of standard deviations.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import gammaincinv
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.finite import require_finite
from sedlib.base.long_rows.matrix_rows import Rows, of_slices, require_rows
from sedlib.base.precision import determined, error_bound
from sedlib.bases import RollingBases, rolling_bases
from sedlib.products import centred, diagonals

ASYMMETRY = 1e-6
"""Of the largest product: what two products of the same rows may differ by where a Gram matrix was rounded."""
FEWEST_STEPS = 3  # two centred rows always lie on one line


@dataclass(frozen=True)
class Displacements:
    """Rows :math:`W_t - W_0` of one block of a trajectory, in float64; read as sedlib.base.long_rows.matrix_rows.Rows.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, or no such columns; or the positions are no matrix of real numbers that
        can be read.

    Examples
    --------
    >>> positions = np.array([[9.0, 5.0], [8.0, 7.0], [7.0, 4.0]])  # three checkpoints of two parameters
    >>> rows = Displacements(positions, slice(1, 2))
    >>> rows.shape, rows[0:3, 0:1].tolist()
    ((3, 1), [[0.0], [2.0], [-1.0]])
    """

    positions: Rows
    """Positions of all parameters."""
    block: slice
    """Columns of the block."""

    def __post_init__(self) -> None:
        require_rows(self.positions, "positions")
        if (
            not isinstance(self.block, slice)
            or self.block.step not in (None, 1)
            or None
            in (
                self.block.start,
                self.block.stop,
            )
        ):
            raise ValueError(f"block: expected a slice with a start and a stop and no step, got {self.block}")
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
        rows, columns = of_slices(key)
        start, stop, _ = columns.indices(self.shape[1])
        columns = slice(self.block.start + start, self.block.start + stop)
        origin = np.asarray(self.positions[:1, columns], dtype=np.float64)
        return np.asarray(self.positions[rows, columns], dtype=np.float64) - origin


@checked(gram="sedlib.products.gram(Displacements(…)) makes one")
def principal_components(
    gram: Float64[Tensor, "steps steps"], rank: int, rows: torch.dtype = torch.float32
) -> RollingBases:
    """Top ``rank`` principal directions as coefficients over the rows, and all singular values: one window of all T.

    The coefficients of a direction sum to zero, so that ``sedlib.bases.directions(rows, components, 0)`` gives the
    directions from displacements and from positions alike. ``rows`` is the dtype that the displacements were rounded
    to; the bound on a direction's error counts from their size before they were centred.

    Raises
    ------
    ValueError
        The Gram matrix is not finite, or rank is not between 1 and the number of checkpoints.
    UndeterminedBasisError
        The centred displacements determine fewer than ``rank`` directions.

    Examples
    --------
    >>> line = torch.tensor([[0.0], [1.0], [5.0]], dtype=torch.float64)  # −2, −1 and 3 from its mean
    >>> found = principal_components(line @ line.T, rank=1)
    >>> (14 * found.coefficients[0, 0]).round().tolist()  # of unit length on −2, −1, 3, whose squares add up to 14
    [-2.0, -1.0, 3.0]
    """
    _require_gram(gram)
    norm = gram.trace().sqrt()[None]
    return rolling_bases(diagonals(centred(gram), len(gram) - 1), len(gram), rank, rows, norm)


@checked(gram="sedlib.products.gram(Displacements(…)) makes one")
def pc1_percent(gram: Float64[Tensor, "steps steps"]) -> float:
    r"""Percentage of the trajectory's variance along its first component, :math:`100 \sigma_1^2 / \sum_i \sigma_i^2`.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, the Gram matrix is not finite, or the block does not move.

    Examples
    --------
    >>> path = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    >>> round(pc1_percent(path @ path.T), 6)  # sums of squares about the mean: 2 in one coordinate, 3 in the other
    60.0
    """
    if len(gram) < FEWEST_STEPS:
        raise ValueError(f"a trajectory needs at least {FEWEST_STEPS} checkpoints, got {len(gram)}")
    _require_gram(gram)
    about_mean = centred(gram)
    total = float(about_mean.trace())
    largest = torch.linalg.eigvalsh(about_mean)[-1]
    bound = error_bound(largest.clamp(min=0).sqrt()[None], norm=gram.diagonal().abs().sum().sqrt())
    if not (total > 0 and determined(bound)):
        raise ValueError(f"a block that does not move over {len(gram)} checkpoints has no principal component")
    return 100 * float(largest) / total


@checked(gram="sedlib.products.gram(Displacements(…)) makes one")
def expanding_pc1_percent(gram: Float64[Tensor, "steps steps"]) -> Float64[Tensor, " windows"]:
    """PC1 % of the first n checkpoints, for n = 3 … T; the last is that of the whole trajectory.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, the Gram matrix is not finite, or the block does not move over the first
        three.

    Examples
    --------
    >>> path = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    >>> expanding_pc1_percent(path @ path.T).round().tolist()  # a straight line, before it turns
    [100.0, 60.0]
    """
    sizes = range(FEWEST_STEPS, max(len(gram), FEWEST_STEPS) + 1)
    return torch.tensor([pc1_percent(gram[:size, :size]) for size in sizes], dtype=torch.float64)


@checked(gram="sedlib.products.gram(Displacements(…)) makes one")
def step_norms(gram: Float64[Tensor, "steps steps"]) -> Float64[Tensor, " intervals"]:
    r"""Length of each step, :math:`\lVert W_t - W_{t-1} \rVert`.

    Raises
    ------
    ValueError
        The Gram matrix is not finite, or none.

    Examples
    --------
    >>> path = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 6.0]], dtype=torch.float64)
    >>> step_norms(path @ path.T).tolist()
    [5.0, 2.0]
    """
    _require_gram(gram)
    sizes = gram.diagonal()
    return (sizes[1:] + sizes[:-1] - 2 * gram.diagonal(-1)).clamp(min=0).sqrt()


@checked()
def random_walk(
    step_norms: Float64[Tensor, " intervals"], size: int, generator: torch.Generator
) -> Float64[Tensor, "steps dims"]:
    """A walk in ``size`` dimensions whose steps have these lengths and independent uniform directions, up to rotation.

    The walk is exact and takes no vector of ``size``. Directions are normalised Gaussian rows Z. The factor L of the LQ
    decomposition of Z has all inner products of Z. Its entries are independent (Bartlett): normal below the diagonal,
    and on it, at place i from 0, the root of a χ² variable with ``size`` − i degrees of freedom. ``dims`` is at most
    the number of steps.

    Source: the null model is of arXiv 2602.16746, the decomposition of Bartlett, Proc. R. Soc. Edinburgh 53 (1933) 260.

    Raises
    ------
    ValueError
        The size is less than 1, or a length is negative or not finite.

    Examples
    --------
    >>> lengths = torch.tensor([3.0, 4.0], dtype=torch.float64)
    >>> walk = random_walk(lengths, 10**12, torch.Generator().manual_seed(0))
    >>> walk.shape, float(walk[2].norm().round())  # two directions of so many dimensions are at right angles
    (torch.Size([3, 2]), 5.0)
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


@checked()
def random_walk_null(
    gram: Float64[Tensor, "steps steps"], size: int, count: int, generator: torch.Generator
) -> Float64[Tensor, " walks"]:
    """PC1 % of ``count`` random walks with the trajectory's step lengths, in the ``size`` dimensions of its block.

    In many dimensions walks of equal steps vary little: two steps have 75 %, many have 600/π² ≈ 61 %.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, the Gram matrix is not finite, the block does not move, its size or the
        count is less than 1.

    Examples
    --------
    >>> line = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    >>> null = random_walk_null(line @ line.T, 10**12, count=2, generator=torch.Generator().manual_seed(0))
    >>> null.round().tolist()  # corners of a right triangle with equal legs: sums of squares 1 and 1/3
    [75.0, 75.0]
    """
    if count < 1:
        raise ValueError(f"count: expected at least one walk, got {count}")
    lengths = step_norms(gram)
    walks = (random_walk(lengths, size, generator) for _ in range(count))
    return torch.tensor([pc1_percent(walk @ walk.T) for walk in walks], dtype=torch.float64)


@checked()
def z_score(value: float, null: Float64[Tensor, " walks"]) -> float:
    r"""How many standard deviations of the null ``value`` lies above the null's mean, :math:`(x - \bar x_0) / s_0`.

    Raises
    ------
    ValueError
        The value or the null is not finite, or the null has fewer than two values, or does not vary.

    Examples
    --------
    >>> z_score(7.0, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))  # 2 ± 1
    5.0
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


def _require_gram(gram: Float64[Tensor, "steps steps"]) -> None:
    """Refuse a square matrix that is not symmetric or has a negative diagonal: rows, or a band, in its place."""
    require_finite(gram=gram)
    if len(gram) and ((gram.diagonal() < 0).any() or (gram - gram.T).abs().max() > ASYMMETRY * gram.abs().max()):
        raise ValueError(
            "gram: expected a Gram matrix, got a matrix that is not symmetric, or whose squares are negative"
        )
