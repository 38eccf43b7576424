r"""Directions in which the loss gradients of examples differ most, from one set of parameters alone.

With :math:`g_i` the gradient of example i of M and :math:`\bar g` their mean, they are the top eigenvectors of the
centred empirical Fisher matrix

.. math:: F = \frac1M \sum_i (g_i - \bar g)(g_i - \bar g)^\top,

the right singular vectors of the centred M×N matrix of gradients, :math:`\lambda = \sigma^2 / M`. Two ways to them:
``gradient_basis`` from the matrix, exact, 4MN bytes; ``lanczos`` from products with F, which needs no matrix.
Source: arXiv 2604.25143, section 3.

Shapes: θ and directions are ``[params]``, an example's parts ``[examples, ...]``.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from sedlib.base.finite import require_finite
from sedlib.base.precision import require_rank
from sedlib.bases import centred, gram
from sedlib.gradients import LossAt, require_equal_lengths


def gradient_basis(
    gradients: Float[Tensor, "examples params"], rank: int
) -> tuple[Float[Tensor, "rank params"], Float64[Tensor, " rank"]]:
    r"""Top right singular vectors of the centred gradients, and their singular values, from the M×M Gram matrix.

    Centring is done on the Gram matrix: :math:`H A A^\top H` with :math:`H = I - \mathbf 1 \mathbf 1^\top / M`.

    Raises
    ------
    ValueError
        Rank is less than 1, a gradient is not finite, or the centred gradients span fewer than ``rank`` dimensions.
    """
    if rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}")
    products = centred(gram(gradients.cpu().numpy(), gradients.device))
    eigenvalues, eigenvectors = torch.linalg.eigh(products.cpu())
    singular_values = eigenvalues.clamp(min=0).sqrt().flip(0)[:rank]
    require_rank(singular_values, rank, f"{len(gradients)} centred gradients")
    coefficients = eigenvectors.flip(1)[:, :rank].T / singular_values[:, None]  # H u = u: no mean is left in them
    basis = coefficients.to(gradients) @ gradients
    require_finite(basis_of_gradients=basis)
    return basis, singular_values


def empirical_fisher(
    loss_at: LossAt, theta: Float[Tensor, " params"], examples: Sequence[Tensor], block: int = 64
) -> LinearOperator:
    r"""The centred empirical Fisher matrix as products with it: :math:`F v = J^\top H J v / M`, J the losses' Jacobian.

    A product takes one forward-mode and one reverse-mode derivative of the M losses, ``block`` examples at a time.

    Raises
    ------
    ValueError
        The parts of the examples are of different lengths, or θ is not finite. Multiplied with a vector: the product
        is not finite.
    """
    require_equal_lengths(examples)
    require_finite(theta=theta)
    count = len(examples[0])
    losses = torch.func.vmap(loss_at, in_dims=(None, *[0] * len(examples)))
    blocks = [[part[start : start + block] for part in examples] for start in range(0, count, block)]

    def product(vector: np.ndarray) -> np.ndarray:
        direction = torch.from_numpy(vector.reshape(-1)).to(theta)
        slopes = torch.cat(
            [torch.func.jvp(lambda at, b=some: losses(at, *b), (theta,), (direction,))[1] for some in blocks]
        )
        weights = (slopes - slopes.mean()) / count
        total = torch.zeros_like(theta)
        for some, weight in zip(blocks, weights.split(block), strict=True):
            _, pull_back, *_ = torch.func.vjp(lambda at, b=some: losses(at, *b), theta)
            total += pull_back(weight)[0]
        require_finite(product_with_the_fisher_matrix=total)
        return total.double().cpu().numpy()

    return LinearOperator((len(theta), len(theta)), matvec=product, dtype=np.float64)


def lanczos(
    operator: LinearOperator, rank: int, generator: torch.Generator, tolerance: float = 1e-6
) -> tuple[Float[Tensor, "rank params"], Float64[Tensor, " rank"]]:
    """Top eigenvectors of a symmetric operator and their eigenvalues, descending, by restarted Lanczos iteration.

    ``tolerance`` is the relative accuracy of the eigenvalues. Memory: about 20 vectors in float64.

    Raises
    ------
    ValueError
        It did not converge, the tolerance is not positive, or rank is not between 1 and the dimension less one.
    """
    if not (1 <= rank < operator.shape[0] and tolerance > 0):
        raise ValueError(
            f"rank must be at least 1 and less than the dimension {operator.shape[0]:,}, and tolerance positive, "
            f"got {rank} and {tolerance}"
        )
    start = torch.randn(operator.shape[0], generator=generator, dtype=torch.float64).numpy()
    try:
        eigenvalues, eigenvectors = eigsh(operator, k=rank, which="LA", v0=start, tol=tolerance)
    except ArpackNoConvergence as error:
        raise ValueError(
            f"{rank} eigenvectors did not converge to {tolerance}: {error}; choose fewer, or a larger tolerance"
        ) from error
    order = np.argsort(eigenvalues)[::-1]
    return torch.from_numpy(eigenvectors.T[order].copy()).float(), torch.from_numpy(eigenvalues[order].copy())
