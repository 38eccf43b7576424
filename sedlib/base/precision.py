r"""One precision rule: how far rounding may turn a right singular vector of some rows, by singular values alone.

The rows A are known as :math:`\tilde A = A + E`, rounded to their dtype of unit roundoff :math:`u_r`. The Gram matrix
is computed as :math:`\tilde A \tilde A^\top + F`, its products in a dtype of unit roundoff :math:`u_p`. Its
eigenvectors :math:`\hat u_i` and eigenvalues :math:`\hat\sigma_i^2` give the directions
:math:`\hat v_i = \tilde A^\top \hat u_i / \hat\sigma_i`, so that

.. math::
    A^\top \hat u_i - \hat\sigma_i \hat v_i = -E^\top \hat u_i, \qquad
    A \hat v_i - \hat\sigma_i \hat u_i = -F \hat u_i / \hat\sigma_i - E \hat v_i.

Multiplied by a pair :math:`v_j, u_j` of singular vectors of A, they become two equations for
:math:`u_j^\top \hat u_i` and :math:`v_j^\top \hat v_i`, with right sides :math:`r_j` and :math:`s_j`, and are solved
by :math:`v_j^\top \hat v_i = (\sigma_j s_j + \hat\sigma_i r_j) / (\sigma_j^2 - \hat\sigma_i^2)`. All j with
:math:`\sigma_j \le \hat\sigma_i / 2`, what no row spans included, or :math:`\sigma_j \ge 2 \hat\sigma_i`, have
together

.. math::
    \sin\angle(\hat v_i,\; \operatorname{span}\{v_j : \hat\sigma_i / 2 < \sigma_j < 2 \hat\sigma_i\})
    \le 2\, \frac{\lVert E \rVert_2}{\hat\sigma_i} + \frac23\, \frac{\lVert F \rVert_2}{\hat\sigma_i^2}
    \le 2 u_r \frac{\sigma_1}{\sigma_i} + \frac23\, c\, u_p \frac{\sum_j \sigma_j^2}{\sigma_i^2}.

That is the bound. It speaks of a direction's part in noise, and in directions of quite other singular values.
Directions whose singular values are within a factor of two may turn among themselves as far as their gap lets them;
where two are equal, they are any two of one plane in every precision.

The last step holds for rounding errors of different rows, and of different products, that do not conspire. Errors of
different rows are then nearly orthogonal, :math:`\lVert E \rVert_2 \le u_r \sigma_1`, and errors of sums grow as the
root of their length (Higham and Mary, 2019, doi:10.1137/18M1226312), which c stands for. Rows whose mean was taken out,
on their Gram matrix, were rounded before that: their own norm stands in the place of :math:`\sigma_1` and of
:math:`(\sum_j \sigma_j^2)^{1/2}`. What the rows lost before they were rounded, or as numbers too small to be normal
ones of their dtype, is not in the bound.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

LARGEST_ERROR = 0.1
"""The sine of an angle, 6 degrees: a direction whose bound is larger is not determined."""
ROUNDINGS = 512.0
"""c of the longest sums, of 2¹⁹ products, of which measured errors are 20 to 290 roundings …"""
FEWEST_ROUNDINGS = 16.0
"""… and of short ones: what an eigenproblem adds. Between the two c grows as the root of the length."""
OPERATOR_ROUNDINGS = 64
"""The same of a product with a matrix of derivatives, whose sums run over a network's width and over examples.

On the paper's network a product with the Fisher matrix of 128 examples is off by 3 to 8 roundings of its largest
eigenvalue.
"""


def error_bound(
    singular_values: Float64[Tensor, "*windows values"],
    rows: torch.dtype = torch.float32,
    products: torch.dtype = torch.float64,
    norm: Float64[Tensor, "*windows"] | None = None,
    size: int | None = None,
) -> Float64[Tensor, "*windows values"]:
    r"""Bound on the sine of the angle by which rounding turns each direction; infinite where a singular value is zero.

    :math:`2 u_r \sigma_1 / \sigma_i + \frac23 c\, u_p \sum_j \sigma_j^2 / \sigma_i^2`, as the module derives it.

    Parameters
    ----------
    singular_values
        All of the rows', descending.
    rows
        The dtype that the rows were rounded to, as they were computed or stored.
    products
        The dtype in which their Gram matrix was summed.
    norm
        Frobenius norm of the rows before their mean was taken out, if it was.
    size
        Number of columns, where it is known: fewer are summed with less rounding.

    Examples
    --------
    >>> error_bound(torch.tensor([1.0, 1e-3, 2e-7], dtype=torch.float64))
    tensor([1.1921e-07, 1.1925e-04, 1.5434e+00], dtype=torch.float64)
    """
    largest = singular_values[..., :1] if norm is None else norm[..., None]
    total = singular_values.norm(dim=-1, keepdim=True) if norm is None else largest
    of_rows = 2 * _unit_roundoff(rows) * largest / singular_values
    of_products = 2 / 3 * _roundings(size) * _unit_roundoff(products) * (total / singular_values).square()
    return (of_rows + of_products).nan_to_num(nan=torch.inf, posinf=torch.inf)


def eigenvector_error_bound(
    eigenvalues: Float64[Tensor, " values"], precision: torch.dtype, tolerance: float
) -> Float64[Tensor, " values"]:
    r"""Bound on the sine of the angle of each eigenvector's error, for a symmetric F that is known by products alone.

    An iteration to a relative ``tolerance`` τ of the eigenvalues, on products that are rounded to ``precision``, ends
    at :math:`\lVert F \hat v_i - \hat\lambda_i \hat v_i \rVert \le \tau \hat\lambda_i + c\, u_p \lambda_1`, so that
    the part in eigenvectors of :math:`\lambda_j \le \hat\lambda_i / 4` or :math:`\lambda_j \ge 4 \hat\lambda_i` is at
    most :math:`\frac43 (\tau + c\, u_p \lambda_1 / \hat\lambda_i)`. Infinite where an eigenvalue is not positive.

    >>> eigenvector_error_bound(torch.tensor([1.0, 1e-9]).double(), torch.float32, tolerance=1e-6)
    tensor([6.4196e-06, 5.0863e+03], dtype=torch.float64)
    """
    shares = OPERATOR_ROUNDINGS * _unit_roundoff(precision) * eigenvalues[:1] / eigenvalues
    return torch.where(eigenvalues > 0, 4 / 3 * (tolerance + shares), torch.inf)


def determined(bound: Float64[Tensor, "*windows values"]) -> Bool[Tensor, "*windows values"]:
    """Which directions are more than rounding: those wrong by at most ``LARGEST_ERROR``.

    >>> determined(error_bound(torch.tensor([1.0, 1e-3, 2e-7], dtype=torch.float64))).tolist()
    [True, True, False]
    """
    return bound <= LARGEST_ERROR


def shortfall(
    bound: Float64[Tensor, " values"],
    values: Float64[Tensor, " values"],
    rank: int,
    rows: str,
    kind: str = "singular values",
) -> str | None:
    """Why ``rows``, named for the message, determine fewer than ``rank`` directions; None where they do not.

    >>> sizes = torch.tensor([1.0, 1e-9], dtype=torch.float64)
    >>> shortfall(error_bound(sizes), sizes, rank=1, rows="rows 0 to 1")
    >>> print(shortfall(error_bound(sizes), sizes, rank=2, rows="rows 0 to 1"))
    rows 0 to 1 determine 1 of rank = 2 directions, the others are rounding (singular values 1.0e+00, 1.0e-09); \
choose a smaller rank, or look for repeated or zero rows
    """
    count = int(determined(bound[:rank]).sum())
    if count == rank:
        return None
    sizes = ", ".join(f"{size:.1e}" for size in values[:rank].tolist())
    return (
        f"{rows} determine {count} of rank = {rank} directions, the others are rounding ({kind} {sizes}); "
        "choose a smaller rank, or look for repeated or zero rows"
    )


def require_rank(
    bound: Float64[Tensor, " values"],
    values: Float64[Tensor, " values"],
    rank: int,
    rows: str,
    kind: str = "singular values",
) -> None:
    """Refuse to take ``rank`` directions from ``rows``, named for the message, that determine fewer.

    Raises
    ------
    ValueError
        Rounding may turn one of them by more than ``LARGEST_ERROR``.
    """
    if problem := shortfall(bound, values, rank, rows, kind):
        raise ValueError(problem)


def _roundings(size: int | None) -> float:
    return ROUNDINGS if size is None else min(ROUNDINGS, max(FEWEST_ROUNDINGS, (size / 2) ** 0.5))


def _unit_roundoff(dtype: torch.dtype) -> float:
    """Half of the distance from 1 to the next number."""
    return torch.finfo(dtype).eps / 2
