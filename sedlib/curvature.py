r"""How far two gradient steps are from commuting, and in which directions: curvature along a training run.

For batches A and B with gradients :math:`g_A, g_B` and step size η, the two orders of a step on each end at

.. math::
    \theta_{AB} = \theta - \eta g_A(\theta) - \eta g_B(\theta - \eta g_A(\theta)), \qquad \theta_{BA} \text{ likewise},

their commutator is :math:`\delta = \theta_{AB} - \theta_{BA}`, and the commutator defect is
:math:`\lVert\delta\rVert / (\lVert\eta g_A\rVert \lVert\eta g_B\rVert)`. To first order in η it is
:math:`\delta = \eta^2 (H_B g_A - H_A g_B)`, which vanishes where gradient steps commute. Source: arXiv 2602.16746.

Shapes: θ, gradients, δ and directions are ``[params]``, D of them. Several are ``[vectors, params]``, a number of each
``[vectors]``. A basis has orthonormal rows ``[directions, params]``.

Units: δ is in the unit of the parameters, the defect in its inverse; shares, cosines and ρ have none.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import torch
from jaxtyping import Float, Float64
from scipy.special import poch
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import quoted
from sedlib.base.finite import require_finite
from sedlib.base.long_rows.long_sums import SUMMED, column_blocks, inner_products, norms
from sedlib.base.long_rows.matrix_rows import Rows
from sedlib.base.long_rows.orthonormal_rows import require_orthonormal
from sedlib.bases import directions
from sedlib.products import gram
from sedlib.projection import orthonormal
from sedlib.trajectory import Displacements, principal_components

LARGEST_ROUNDING = 0.1
"""Of a step's length: what θ's rounding may move it by. At 0.07 a defect is off by 2 %, above 1 it means nothing."""

GradientAt = Callable[..., Tensor]
"""Maps θ ``[params]`` and a batch, a tensor for each of its parts, to the gradient of its loss at θ, ``[params]``."""


class LostInRoundingError(ValueError):
    """A step is so short that rounding θ hides the step; a wider dtype of θ resolves it."""


@dataclass(frozen=True)
class Commutator:
    """Two gradient steps in both orders, for one pair of batches."""

    delta: Float[Tensor, " params"]
    r""":math:`\delta = \theta_{AB} - \theta_{BA}`."""
    defect: float
    r""":math:`\lVert\delta\rVert / (\lVert\eta g_A\rVert \lVert\eta g_B\rVert)`."""


@checked()
def commutators(
    gradient_at: GradientAt,
    theta: Float[Tensor, " params"],
    batches: Sequence[Sequence[Tensor]],
    pairs: Sequence[tuple[int, int]],
    step_size: float,
    *,
    check: bool = True,
) -> Iterator[Commutator]:
    r"""The commutator of each pair of ``batches``, named by position: ``[(0, 1), (2, 3)]`` for two that share none.

    Computed as :math:`\delta = \eta [g_A(\theta - \eta g_B) - g_A] - \eta [g_B(\theta - \eta g_A) - g_B]`: in float32
    the difference of :math:`\theta_{AB}` and :math:`\theta_{BA}` themselves is lost in the rounding of θ.

    ``check`` computes the first gradient twice. Cost: one gradient for each batch, two for each pair. Memory: a
    gradient for each batch.

    Raises
    ------
    ValueError
        The step size is not positive and finite, θ is not finite, a pair is not of two different batches, or a gradient
        is not a finite vector of θ's size and dtype other than zero, or so short that the defect is not finite;
        or two gradients at the same θ differ.
    LostInRoundingError
        Rounding θ to its dtype moves it by more than a tenth of a step.

    Examples
    --------
    >>> along, swap = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # two Hessians
    >>> [found] = commutators(lambda theta, h: h @ theta, torch.ones(2), [[along], [swap]], [(0, 1)], step_size=0.5)
    >>> found.delta  # η² (H_B g_A − H_A g_B), with the gradients g_A = (1, 0) and g_B = (1, 1)
    tensor([-0.2500,  0.2500])
    >>> round(found.defect, 6)  # √2 / (1 · √2)
    1.0
    """
    if not 0 < step_size < math.inf:
        raise ValueError(f"the step size must be positive and finite, got {step_size}")
    require_finite(theta=theta)
    for index, batch in enumerate(batches):
        if not isinstance(batch, list | tuple):
            raise wrong_kind(f"batch {index}", "a list with a tensor for each part", batch, "give [batch] of one part")
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(index, int) for index in pair):
            raise ValueError(f"a pair must name two of {len(batches)} batches, from 0, got {quoted(pair)}")
        if pair[0] == pair[1] or not all(0 <= index < len(batches) for index in pair):
            raise ValueError(f"a pair must name two of {len(batches)} batches, from 0, got {pair}")
    gradients = [_gradient(gradient_at, theta, batch, f"batch {index}") for index, batch in enumerate(batches)]
    lengths = [_norm(gradient) for gradient in gradients]
    if check and not torch.equal(_gradient(gradient_at, theta, batches[0], "batch 0"), gradients[0]):
        raise ValueError(
            "gradient_at: two gradients of batch 0 at the same theta differ; put the module in eval mode (dropout), "
            "and draw no random numbers"
        )
    if not all(lengths):
        raise ValueError(f"batch {lengths.index(0)}: the gradient is zero, and the defect is a ratio to its norm")
    if (step := step_size * min(lengths)) * LARGEST_ROUNDING < (rounding := _rounding(theta)):
        raise LostInRoundingError(
            f"a step of length {step:.2g} is lost where rounding θ to {theta.dtype} moves it by {rounding:.2g}; "
            "take θ and gradients in float64, or a larger step size"
        )
    for first, second in pairs:
        g_a, g_b = gradients[first], gradients[second]
        label = f"pair {first, second}, after one step"
        a_changed = _gradient(gradient_at, theta - step_size * g_b, batches[first], label) - g_a
        b_changed = _gradient(gradient_at, theta - step_size * g_a, batches[second], label) - g_b
        difference, scale = a_changed - b_changed, step_size * lengths[first] * lengths[second]
        if not (scale > 0 and math.isfinite(defect := _norm(difference) / scale)):
            raise ValueError(
                f"{label}: no finite defect, as the gradients have the norms {lengths[first]:.2g} and "
                f"{lengths[second]:.2g}, and their changes differ by {_norm(difference):.2g}"
            )
        yield Commutator(step_size * difference, defect)


@checked()
def pooled_pairs(draws: int) -> list[tuple[int, int]]:
    """``draws`` pairs of the fewest batches that have as many: 9 pairs of 5 batches, in place of 18.

    Each pair has two independent batches; two pairs may share one batch.

    Raises
    ------
    ValueError
        The number of draws is less than 1.

    Examples
    --------
    >>> pooled_pairs(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    if draws < 1:
        raise ValueError(f"draws: expected at least one pair, got {draws}")
    n_batches = 2
    while n_batches * (n_batches - 1) // 2 < draws:
        n_batches += 1
    return list(combinations(range(n_batches), 2))[:draws]


@checked()
def execution_basis(positions: Rows, blocks: Mapping[str, slice], rank: int = 2) -> Float[Tensor, "directions params"]:
    """Top ``rank`` principal directions of the trajectory of each block, as orthonormal vectors of all parameters.

    ``positions`` are the rows of all D parameters, ``blocks`` are columns of them (sedlib.blocks.blocks), no two
    of which overlap: directions of different blocks are orthogonal as they stand. The sign of a direction is arbitrary.

    Raises
    ------
    ValueError
        Two blocks overlap, or a block's trajectory has fewer than three checkpoints or spans fewer than ``rank``
        dimensions; or a block is no part of the parameters.

    Examples
    --------
    >>> positions = torch.tensor([[0.0, 7.0, 0.0, 0.0], [1.0, 7.0, 0.0, 0.0], [2.0, 7.0, 0.0, 2.0]]).numpy()
    >>> basis = execution_basis(positions, {"first": slice(0, 2), "second": slice(2, 4)}, rank=1)
    >>> basis.abs().round().int().tolist()  # of each block, the parameter that moves
    [[1, 0, 0, 0], [0, 0, 0, 1]]
    """
    if rank < 1 or not blocks:
        raise ValueError(f"expected a rank of at least 1 and a block, got rank {rank} and {len(blocks)} blocks")
    columns = {name: _columns_of(positions, name, block) for name, block in blocks.items()}
    in_order = sorted(blocks, key=lambda name: blocks[name].start)
    for first, second in pairwise(in_order):
        if blocks[first].stop > blocks[second].start:
            raise ValueError(f"blocks {first!r} and {second!r} overlap: {blocks[first]} and {blocks[second]}")
    basis = torch.zeros(rank * len(blocks), positions.shape[1])
    for index, (name, block) in enumerate(blocks.items()):
        try:
            found = directions(columns[name], principal_components(gram(columns[name]), rank), 0)
        except ValueError as error:
            raise ValueError(f"block {name!r}: {error}") from error
        basis[index * rank : (index + 1) * rank, block] = orthonormal(found)
    return basis


def _columns_of(positions: Rows, name: str, block: slice) -> Displacements:
    try:
        return Displacements(positions, block)
    except ValueError as error:
        raise ValueError(f"block {name!r}: {error}") from error


@dataclass(frozen=True)
class Decomposition:
    r"""Shares of vectors' norms inside a basis and outside it; the two squares add up to 1."""

    share: Float64[Tensor, " vectors"]
    r""":math:`\lVert\delta_\parallel\rVert / \lVert\delta\rVert`."""
    rho: Float64[Tensor, " vectors"]
    r""":math:`\rho = \lVert\delta_\perp\rVert / \lVert\delta\rVert`."""


@checked()
def decompose(vectors: Float[Tensor, "vectors params"], basis: Float[Tensor, "directions params"]) -> Decomposition:
    """How much of each vector lies in the span of an orthonormal basis.

    Raises
    ------
    ValueError
        A vector is zero, not finite or not in the basis's dtype, or the basis is not orthonormal.

    Examples
    --------
    >>> parts = decompose(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
    >>> parts.share.round(decimals=6).tolist(), parts.rho.round(decimals=6).tolist()
    ([0.6], [0.8])
    """
    require_orthonormal(basis)
    if vectors.dtype != basis.dtype:
        raise ValueError(f"vectors: expected {basis.dtype}, as the basis has, got {vectors.dtype}")
    lengths = _norms(vectors, "vector")
    coordinates = inner_products(vectors, basis, vectors.dtype).to(vectors)
    across = _across(vectors, coordinates, basis)
    return Decomposition(coordinates.double().norm(dim=1) / lengths, across / lengths)


def _across(vectors: Tensor, coordinates: Tensor, basis: Tensor) -> Float64[Tensor, " vectors"]:
    """Norms of what is left of the vectors across the basis, of long ones by blocks of columns."""
    if vectors.shape[1] <= SUMMED:
        return norms(vectors - coordinates @ basis)
    squares = torch.zeros(len(vectors), dtype=torch.float64, device=vectors.device)
    for columns in column_blocks(vectors.shape[1], len(vectors) + len(basis)):
        across = vectors[:, columns].double() - coordinates.double() @ basis[:, columns].double()
        squares += across.square().sum(1)
    return squares.sqrt()


@checked()
def expected_random_share(rank: int, size: int) -> float:
    r"""Mean share of any vector in a uniformly random subspace of dimension k, near :math:`\sqrt{k / D}`.

    :math:`\frac{\Gamma((k+1)/2)\,\Gamma(D/2)}{\Gamma(k/2)\,\Gamma((D+1)/2)}`: the squared share has the distribution
    Beta(k/2, (D − k)/2). With k = 1 it is the mean :math:`\lvert\cos\rvert` to a random direction, near
    :math:`\sqrt{2 / \pi D}`.

    Raises
    ------
    ValueError
        Rank is not between 1 and the dimension.

    Examples
    --------
    >>> round(expected_random_share(1, 2), 4)  # 2/π, the mean |cos| of an angle in the plane
    0.6366
    """
    if not 1 <= rank <= size:
        raise ValueError(f"rank must be between 1 and the dimension {size:,}, got {rank}")
    return float(poch(rank / 2, 0.5) / poch(size / 2, 0.5))


@checked()
def alignment(step: Float[Tensor, " params"], vectors: Float[Tensor, "vectors params"]) -> float:
    r"""Mean :math:`\lvert\cos(\theta_t - \theta_{t-1}, \delta_k)\rvert` of a step with several commutators.

    For unrelated directions the mean is ``expected_random_share(1, D)``.

    Raises
    ------
    ValueError
        The step, or a vector, is zero or not finite, or there is no vector.

    Examples
    --------
    >>> alignment(torch.tensor([1.0, 0.0]), torch.tensor([[-2.0, 0.0], [0.0, 3.0]]))  # |cos| of 1 and of 0
    0.5
    """
    if not len(vectors):
        raise ValueError("vectors: expected at least one, got none")
    cosines = inner_products(vectors, step, torch.float64) / (_norms(vectors, "vector") * _norms(step[None], "step"))
    require_finite(cosines=cosines)
    return float(cosines.abs().mean())


def _gradient(gradient_at: GradientAt, theta: Tensor, batch: Sequence[Tensor], label: str) -> Tensor:
    gradient = gradient_at(theta, *batch)
    if not isinstance(gradient, Tensor):
        raise wrong_kind(f"{label}: gradient_at", "a tensor [params] of the function", gradient)
    if gradient.shape != theta.shape or gradient.dtype != theta.dtype:
        raise ValueError(
            f"{label}: expected a gradient of shape {tuple(theta.shape)} and {theta.dtype}, "
            f"got {tuple(gradient.shape)} and {gradient.dtype}"
        )
    if not math.isfinite(_norm(gradient)):
        raise ValueError(f"{label}: the gradient is not finite")
    return gradient


def _rounding(theta: Float[Tensor, " params"]) -> float:
    """Expected distance of a point to its rounding, where errors are uniform within half a unit in the last place.

    A unit is ε times the power of two below the number, and so between ε/2 and ε of it: here three quarters.
    """
    return 0.75 * torch.finfo(theta.dtype).eps / math.sqrt(12) * _norm(theta)


def _norm(vector: Float[Tensor, " params"]) -> float:
    return float(norms(vector[None])[0])


def _norms(vectors: Float[Tensor, "vectors params"], name: str) -> Float64[Tensor, " vectors"]:
    lengths = norms(vectors)
    if len(found := (~((lengths > 0) & lengths.isfinite())).nonzero()):
        raise ValueError(f"{name} {int(found[0])} has norm {float(lengths[int(found[0])])}, so no direction")
    return lengths
