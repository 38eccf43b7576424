r"""Which dimensions of some rows their Gram matrix determines, and which are its rounding.

The eigenvalues of a Gram matrix are squares: products rounded to a relative ε leave the singular values uncertain by
:math:`\sqrt\epsilon` of the largest. A basis of more dimensions than the rows span would be made of rounding.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

SMALLEST_RATIO = {torch.float64: 1e-7, torch.float32: 1e-3}
"""Singular values up to this share of the largest are rounding, by the dtype in which the products are summed.

The roots of ε are 1.5e-8 and 3.5e-4; the rest is room for the length of the sums.
"""


def determined(
    singular_values: Float64[Tensor, "*windows values"], products: torch.dtype = torch.float64
) -> Bool[Tensor, "*windows values"]:
    """Which of the descending singular values of some rows are more than the rounding of their Gram matrix.

    ``products`` is the dtype in which the Gram matrix was summed. Of rows that are all zero none is.

    >>> determined(torch.tensor([2.0, 1.0, 1e-9], dtype=torch.float64)).tolist()
    [True, True, False]
    """
    return singular_values > SMALLEST_RATIO[products] * singular_values[..., :1]


def require_rank(
    singular_values: Float64[Tensor, " values"], rank: int, rows: str, products: torch.dtype = torch.float64
) -> None:
    """Refuse to take a basis of ``rank`` dimensions from ``rows``, named for the message, that span fewer.

    Raises
    ------
    ValueError
        Fewer than ``rank`` singular values are more than rounding.
    """
    if int(determined(singular_values, products).sum()) < rank:
        sizes = ", ".join(f"{size:.1e}" for size in singular_values[:rank].tolist())
        raise ValueError(
            f"{rows} span fewer than rank = {rank} dimensions (singular values {sizes}); "
            "choose a smaller rank, or look for repeated or zero rows"
        )
