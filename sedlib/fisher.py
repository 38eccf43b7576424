r"""Directions in which the loss gradients of examples differ most, from one set of parameters alone.

With :math:`g_i` the gradient of example i of M and :math:`\bar g` their mean, they are the top eigenvectors of the
centred empirical Fisher matrix

.. math:: F = \frac1M \sum_i (g_i - \bar g)(g_i - \bar g)^\top,

the right singular vectors of the centred M×N matrix of gradients, :math:`\lambda = \sigma^2 / M`. Two ways to them:
``gradient_basis`` from the matrix, exact, 4MN bytes; ``lanczos`` from products with F, which needs no matrix.
Source: arXiv 2604.25143, section 3.

Shapes: θ is ``[params]``, gradients ``[examples, params]``, an example's parts ``[examples, ...]``, bases
``[rank, params]`` and their values ``[rank]``. Units: eigenvalues have those of gradients squared, directions none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.border.returned import scalar_loss
from sedlib.base.finite import require_finite
from sedlib.base.long_rows.long_sums import column_blocks
from sedlib.base.precision import determined, eigenvector_error_bound, error_bound, require_rank
from sedlib.gradients import LossAt, require_equal_lengths
from sedlib.models.refusals.explained import explained
from sedlib.models.trials.dependence import require_dependence
from sedlib.products import centred, gram

SYMMETRY = 1e-3
"""Of their lengths: what two products may differ by that are equal but for rounding in float32."""


@dataclass(frozen=True)
class FisherBasis:
    """Top eigenvectors of the centred empirical Fisher matrix, or of another operator."""

    directions: Float[Tensor, "rank params"]
    """Orthonormal."""
    eigenvalues: Float64[Tensor, " rank"]
    r""":math:`\lambda_i`, descending."""
    error_bound: Float64[Tensor, " rank"]
    """Bound on the sine of the angle by which rounding turns each direction: ``sedlib.base.precision``."""


@checked("gradients")
def gradient_basis(
    gradients: Float[Tensor, "examples params"], rank: int, rows: torch.dtype | None = None
) -> FisherBasis:
    r"""Top right singular vectors of the centred gradients, from the M×M Gram matrix: :math:`\lambda = \sigma^2 / M`.

    Centring is done on the Gram matrix: :math:`H A A^\top H` with :math:`H = I - \mathbf 1 \mathbf 1^\top / M`.
    Memory: the result, and a block of columns in float64.

    Parameters
    ----------
    gradients
        :math:`g_i`, a row for each example.
    rank
        Number of directions.
    rows
        The dtype in which the gradients were computed or to which they were rounded, if they now have another dtype.

    Raises
    ------
    ValueError
        Rank is less than 1, a gradient is not finite, or fewer than ``rank`` directions are determined.

    Examples
    --------
    >>> found = gradient_basis(torch.tensor([[1.0, 5.0], [1.0, -5.0]]), rank=1)
    >>> found.directions.abs().tolist(), found.eigenvalues.round(decimals=6).tolist()
    ([[0.0, 1.0]], [25.0])
    """
    if rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}")
    require_finite(gradients=gradients)
    products = gram(gradients, gradients.device).cpu()
    eigenvalues, eigenvectors = torch.linalg.eigh(centred(products))
    singular_values = eigenvalues.clamp(min=0).sqrt().flip(0)
    bound = error_bound(singular_values, rows or gradients.dtype, norm=products.trace().sqrt(), size=gradients.shape[1])
    require_rank(bound, singular_values, rank, f"{len(gradients)} centred gradients")
    coefficients = eigenvectors.flip(1)[:, :rank].T / singular_values[:rank, None]  # H u = u: no mean is left in them
    basis = _combined(coefficients, gradients)
    require_finite(basis_of_gradients=basis)
    return FisherBasis(basis, singular_values[:rank].square() / len(gradients), bound[:rank])


class EmpiricalFisher(LinearOperator):  # type: ignore[misc]
    """The centred empirical Fisher matrix as products with it; ``empirical_fisher`` makes it, and shows it."""

    def __init__(
        self, loss_at: LossAt, theta: Float[Tensor, " params"], examples: Sequence[Tensor], block: int
    ) -> None:
        super().__init__(dtype=np.float64, shape=(len(theta), len(theta)))
        self.precision = theta.dtype
        """The dtype that its products are computed in, whatever they are given in."""
        self.span = len(examples[0]) - 1
        """What the centred gradients span at most, of M examples M − 1 dimensions."""
        self._losses = torch.func.vmap(loss_at, in_dims=(None, *[0] * len(examples)))
        self._theta, self._block = theta, block
        starts = range(0, len(examples[0]), block)
        self._blocks = [[part[start : start + block] for part in examples] for start in starts]

    def _matvec(self, vector: np.ndarray) -> np.ndarray:
        direction = torch.from_numpy(vector.reshape(-1)).to(self._theta)
        with explained(self._theta):
            slopes = torch.cat([self._slopes(some, direction) for some in self._blocks])
        if len(found := (~slopes.isfinite()).nonzero()):
            number = int(found[0])
            raise ValueError(f"example {number}: the slope of its loss is not finite, got {float(slopes[number])}")
        weights = (slopes - slopes.mean()) / len(slopes)
        del direction
        total = torch.zeros_like(self._theta)
        for some, weight in zip(self._blocks, weights.split(self._block), strict=True):
            _, pull_back, *_ = torch.func.vjp(lambda at, b=some: self._losses(at, *b), self._theta)
            total += pull_back(weight)[0]
        require_finite(product_with_the_fisher_matrix=total)
        return total.double().cpu().numpy()

    def _slopes(self, some: Sequence[Tensor], direction: Float[Tensor, " params"]) -> Float[Tensor, " examples"]:
        return torch.func.jvp(lambda at: self._losses(at, *some), (self._theta,), (direction,))[1]


@checked(examples="a list with a tensor for each part of an example")
def empirical_fisher(
    loss_at: LossAt, theta: Float[Tensor, " params"], examples: Sequence[Tensor], block: int = 64
) -> EmpiricalFisher:
    r"""The centred empirical Fisher matrix as products with it: :math:`F v = J^\top H J v / M`, J the losses' Jacobian.

    A product takes one forward-mode and one reverse-mode derivative of the M losses, ``block`` examples at a time.
    Products are computed in θ's dtype.

    Raises
    ------
    ValueError
        The parts of the examples are of different lengths, there is no example, ``block`` is less than 1, θ is not
        finite, or the loss of an example is no real scalar, does not depend on θ, or PyTorch cannot differentiate it.
        Multiplied with a vector: the product, or an example's part in it, is not finite.

    Examples
    --------
    >>> gradients = torch.tensor([[1.0, 5.0], [1.0, -5.0]])  # of losses that are linear in θ
    >>> fisher = empirical_fisher(lambda theta, g: g @ theta, torch.zeros(2), [gradients])
    >>> (fisher @ np.array([1.0, 1.0])).tolist()
    [0.0, 25.0]
    """
    require_equal_lengths(examples)
    if block < 1:
        raise ValueError(f"block: expected at least one example at once, got {block}")
    require_finite(theta=theta)
    loss_at = scalar_loss(loss_at)
    with explained(theta):
        require_dependence(loss_at, theta, examples)
    return EmpiricalFisher(loss_at, theta, examples, block)


@checked(operator="scipy.sparse.linalg.aslinearoperator makes one of a matrix")
def lanczos(
    operator: LinearOperator,
    rank: int,
    generator: torch.Generator,
    tolerance: float = 1e-6,
    *,
    allow_fewer: bool = False,
    kept: int | None = None,
) -> FisherBasis:
    r"""Top eigenvectors of a symmetric operator and their eigenvalues, by restarted Lanczos iteration.

    An eigenvector is determined where its bound (``sedlib.base.precision.eigenvector_error_bound``) allows: it follows
    from :math:`\lambda_i / \lambda_1`, from ``tolerance``, and from the dtype in which the operator computes, which is
    its ``precision`` where it has one and its ``dtype`` otherwise. Memory: ``kept`` + 10 vectors in float64.

    Parameters
    ----------
    operator
        Products with a symmetric matrix, such as ``empirical_fisher``.
    rank
        Number of eigenvectors.
    generator
        For the vector that the iteration starts from.
    tolerance
        Relative accuracy of the eigenvalues.
    allow_fewer
        If fewer than ``rank`` eigenvectors are determined, return these in place of an error.
    kept
        Vectors that the iteration keeps, more than ``rank``: 20, or 2 ``rank`` + 1 if that is more. With fewer it takes
        less memory, and more products.

    Raises
    ------
    ValueError
        The iteration did not converge, the tolerance is not positive, a product is not finite or not real, rank is not
        between 1 and the dimension less one, or fewer than ``rank`` eigenvectors are determined.

    Examples
    --------
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> matrix = aslinearoperator(np.diag([3.0, 2.0, 1.0, 0.0]))
    >>> found = lanczos(matrix, rank=2, generator=torch.Generator().manual_seed(0))
    >>> found.directions.abs().round(decimals=3).tolist(), found.eigenvalues.round(decimals=6).tolist()
    ([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], [3.0, 2.0])
    """
    if kept is not None and not rank < kept <= operator.shape[0]:
        raise ValueError(f"kept must be more than rank = {rank}, and at most the dimension, got {kept}")
    if operator.shape[0] != operator.shape[1]:
        raise ValueError(f"operator: expected a symmetric one, got shape {operator.shape}")
    if not (1 <= rank < operator.shape[0] and tolerance > 0):
        raise ValueError(
            f"rank must be at least 1 and less than the dimension {operator.shape[0]:,}, and tolerance positive, "
            f"got {rank} and {tolerance}"
        )
    if np.issubdtype(operator.dtype, np.complexfloating):
        raise ValueError(f"operator: expected real products, got {operator.dtype}")
    if not isinstance(operator, EmpiricalFisher):
        _require_symmetric(operator)
    rank = _within_span(operator, rank, allow_fewer=allow_fewer)
    eigenvalues, eigenvectors = _iterated(operator, rank, generator, tolerance, kept)
    bound = eigenvector_error_bound(eigenvalues, _precision(operator), tolerance)
    if not allow_fewer:
        require_rank(bound, eigenvalues, rank, "products with the operator", "eigenvalues")
    count = int(determined(bound).sum())
    found = torch.empty(count, operator.shape[0])
    for number in range(count):
        found[number] = torch.from_numpy(eigenvectors[number])
    return FisherBasis(found, eigenvalues[:count], bound[:count])


def _require_symmetric(operator: LinearOperator) -> None:
    """Refuse an operator that is not symmetric: with random vectors x and y, x·Fy and y·Fx differ."""
    x, y = np.random.default_rng(0).standard_normal((2, operator.shape[0]))
    of_x, of_y = operator.matvec(x), operator.matvec(y)
    require_finite(product_with_the_operator=torch.from_numpy(np.stack([of_x, of_y])))
    if abs(x @ of_y - y @ of_x) > SYMMETRY * np.linalg.norm(x) * np.linalg.norm(of_y):
        raise ValueError("operator: expected a symmetric one, got products x·Fy and y·Fx that differ")


def _within_span(operator: LinearOperator, rank: int, *, allow_fewer: bool) -> int:
    """The rank, or how many directions the examples have at most, where that is less and allowed."""
    span = operator.span if isinstance(operator, EmpiricalFisher) else rank
    if rank <= span or (allow_fewer and span):
        return min(rank, span)
    raise ValueError(
        f"{span + 1} centred gradients span at most {span} of rank = {rank} directions; "
        "choose a smaller rank, or more examples"
    )


def _precision(operator: LinearOperator) -> torch.dtype:
    if isinstance(operator, EmpiricalFisher):
        return operator.precision
    return torch.float32 if operator.dtype == np.float32 else torch.float64


def _iterated(
    operator: LinearOperator, rank: int, generator: torch.Generator, tolerance: float, kept: int | None
) -> tuple[Float64[Tensor, " rank"], list[Float64[np.ndarray, " params"]]]:
    """Eigenvalues, descending, and eigenvectors, from a start that the generator gives."""

    def product(vector: np.ndarray) -> np.ndarray:
        found = operator.matvec(vector)
        require_finite(product_with_the_operator=torch.from_numpy(np.asarray(found)))
        return found

    start = torch.randn(operator.shape[0], generator=generator, dtype=torch.float64).numpy()
    checked = LinearOperator(operator.shape, matvec=product, dtype=operator.dtype)
    try:
        eigenvalues, eigenvectors = eigsh(checked, k=rank, which="LA", v0=start, tol=tolerance, ncv=kept)
    except ArpackNoConvergence as error:
        raise ValueError(
            f"only {len(error.eigenvalues)} of {rank} eigenvectors converged to {tolerance}: {error}; "
            "choose fewer, or a larger tolerance"
        ) from error
    order = np.argsort(eigenvalues)[::-1]
    return torch.from_numpy(eigenvalues[order].copy()).double(), [eigenvectors[:, place] for place in order]


def _combined(
    coefficients: Float64[Tensor, "rank examples"], gradients: Float[Tensor, "examples params"]
) -> Float[Tensor, "rank params"]:
    """Combinations of the gradients, in float32 where they have 16 bits."""
    if gradients.dtype in (torch.float32, torch.float64):
        return coefficients.to(gradients) @ gradients
    found = torch.empty(len(coefficients), gradients.shape[1], device=gradients.device)
    for columns in column_blocks(gradients.shape[1], len(gradients)):
        found[:, columns] = coefficients.to(found) @ gradients[:, columns].float()
    return found
