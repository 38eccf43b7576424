"""Whether the rows of a basis are orthonormal, as projections on them, cosines and angles between them need."""

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.long_rows.long_sums import inner_products

ORTHONORMALITY = 1e-3
"""What a product of two rows of an orthonormal basis may be off by: bases are float32, and this finds wrong ones."""


def require_orthonormal(basis: Float[Tensor, "rank params"], name: str = "basis") -> None:
    """Refuse rows that are no orthonormal basis: a projection on them would be of another length.

    Raises
    ------
    ValueError
        They are none; the message says what their norms or products are.

    Examples
    --------
    >>> require_orthonormal(2 * torch.eye(2))
    Traceback (most recent call last):
    ValueError: basis: expected orthonormal rows, got norms from 2 to 2; sedlib.orthonormal makes them so
    """
    products = inner_products(basis, basis, basis.dtype).cpu()
    off = (products - torch.eye(len(basis), dtype=torch.float64)).abs()
    if not len(basis) or off.max() <= ORTHONORMALITY:
        return
    norms = products.diagonal().sqrt()
    which = f"norms from {float(norms.min()):.4g} to {float(norms.max()):.4g}"
    if off.diagonal().max() <= ORTHONORMALITY:
        which = f"products of two rows up to {float(off.max()):.2g}"
    raise ValueError(f"{name}: expected orthonormal rows, got {which}; sedlib.orthonormal makes them so")
