r"""Principal components of a parameter trajectory, from Gram matrices, and random walks to compare them with.

With :math:`W_t` a block of the parameters (a matrix, flattened) at checkpoint t of T, the rows of X are the
displacements :math:`W_t - W_0`, and :math:`H = I - \mathbf 1 \mathbf 1^\top / T` centres its columns. The principal
components are the right singular vectors of :math:`H X`; all that is asked of them lies in the eigenvectors of the T×T
matrix :math:`H X X^\top H`. Source: arXiv 2602.16746.

Shapes: positions and displacements are ``[steps, params]`` and are read in blocks of columns, Gram matrices of
displacements ``[steps, steps]`` in float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import gammaincinv
from torch import Tensor

from sedlib.bases import RELATIVE_PRECISION, RollingBases, Rows, rolling_bases
from sedlib.vectors import ParamLayout

FEWEST_STEPS = 3  # two centred rows always lie on one line


def blocks(
    layout: ParamLayout, names: Sequence[str], parts: Mapping[str, Sequence[str]] | None = None
) -> dict[str, slice]:
    """Columns of the named parameters in a vector of ``layout``, each in its place.

    ``parts`` names, by glob, the equal parts that a parameter's first axis holds, so that each is a block of its own:
    ``{"*.in_proj_weight": ("query", "key", "value")}`` gives ``….in_proj_weight.query`` and so on.

    Raises
    ------
    ValueError
        The layout has no such parameter, a glob matches none of ``names``, or a first axis has no such parts.
    """
    if missing := [name for name in names if name not in layout.names]:
        raise ValueError(f"the layout has no parameter {missing[0]!r}; there are: {', '.join(layout.names)}")
    for pattern in parts or {}:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"pattern {pattern!r} matches none of: {', '.join(names)}")
    found, start = {}, 0
    for name, shape, size in zip(layout.names, layout.shapes, layout.sizes, strict=True):
        if name in names:
            split = next((some for pattern, some in (parts or {}).items() if fnmatchcase(name, pattern)), None)
            found.update(_parts(name, shape, slice(start, start + size), split))
        start += size
    return found


def _parts(name: str, shape: tuple[int, ...], whole: slice, parts: Sequence[str] | None) -> dict[str, slice]:
    if not parts:
        return {name: whole}
    if not shape or shape[0] % len(parts):
        raise ValueError(f"parameter {name!r} of shape {shape} has no {len(parts)} equal parts along its first axis")
    width = (whole.stop - whole.start) // len(parts)
    edges = range(whole.start, whole.stop, width)
    return {f"{name}.{part}": slice(edge, edge + width) for part, edge in zip(parts, edges, strict=True)}


@dataclass(frozen=True)
class Positions:
    """θ of every checkpoint as rows ``[steps, params]``, where each parameter lies in a dataset ``[steps, ...]``.

    Reads what is asked for and no more. As sedlib.bases.Rows.

    Raises
    ------
    ValueError
        A parameter is missing, or is not of the layout's shape at every step.
    """

    values: Mapping[str, Any]
    """Arrays or HDF5 datasets by parameter name."""
    layout: ParamLayout

    def __post_init__(self) -> None:
        if missing := [name for name in self.layout.names if name not in self.values]:
            raise ValueError(f"parameter {missing[0]!r} is missing; there are: {', '.join(self.values)}")
        for name, shape in zip(self.layout.names, self.layout.shapes, strict=True):
            if (found := tuple(self.values[name].shape)) != (expected := (self.shape[0], *shape)):
                raise ValueError(f"parameter {name!r}: expected shape {expected}, got {found}")

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and parameters."""
        return self.values[self.layout.names[0]].shape[0], self.layout.size

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns of two slices."""
        rows, columns = key
        start, stop, _ = columns.indices(self.layout.size)
        pieces, offset = [], 0
        for name, shape, size in zip(self.layout.names, self.layout.shapes, self.layout.sizes, strict=True):
            low, high = max(start - offset, 0), min(stop - offset, size)
            if low < high:
                pieces.append(_columns(self.values[name], rows, shape, low, high))
            offset += size
        return np.concatenate(pieces, axis=1)


def _columns(dataset: Any, rows: slice, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Columns low … high of a dataset ``[steps, *shape]`` seen as ``[steps, size]``."""
    if not shape:
        return np.asarray(dataset[rows])[:, None]
    stride = int(np.prod(shape[1:]))
    first = low // stride
    read = np.asarray(dataset[rows, first : -(-high // stride)])
    return read.reshape(len(read), -1)[:, low - first * stride : high - first * stride]


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
    return rolling_bases(_centred(gram), len(gram), rank)


def pc1_percent(gram: Float64[Tensor, "steps steps"]) -> float:
    r"""Percentage of the trajectory's variance along its first component, :math:`100 \sigma_1^2 / \sum_i \sigma_i^2`.

    Raises
    ------
    ValueError
        There are fewer than three checkpoints, or the block does not move.
    """
    if len(gram) < FEWEST_STEPS:
        raise ValueError(f"a trajectory needs at least {FEWEST_STEPS} checkpoints, got {len(gram)}")
    centred = _centred(gram)
    total = float(centred.trace())
    if not total > RELATIVE_PRECISION**2 * float(gram.diagonal().abs().max()):
        raise ValueError(f"a block that does not move over {len(gram)} checkpoints has no principal component")
    return 100 * float(torch.linalg.eigvalsh(centred)[-1]) / total


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
    r"""Length of each step, :math:`\lVert W_t - W_{t-1} \rVert`."""
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
    """
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
        The null has fewer than two values, or does not vary.
    """
    if len(null) < 2 or not float(null.std()) > 0:
        raise ValueError(f"a z-score needs at least two values that differ, got {null.tolist()[:3]}")
    return (value - float(null.mean())) / float(null.std())


def _centred(gram: Float64[Tensor, "steps steps"]) -> Float64[Tensor, "steps steps"]:
    return gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
