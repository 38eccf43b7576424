r"""What is read from rolling bases: spectral gaps, the overlap of successive bases, and how exact the bases are.

A band holds the products of a stream's rows, as ``sedlib.products.gram_band`` gives it. A window that determines no
basis (``RollingBases.determined``) is left out of a largest error, and has no gap and no overlap: NaN.

Shapes: bands are ``[rows, offsets]``, singular values ``[windows, window]``, readings ``[windows]``, overlaps
``[pairs]``. Units: singular values have those of the rows, g₂₃ those squared; all other readings have none. Source of
the gaps: arXiv 2603.28964, for windows of updates; the two checks of exactness are ours.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.finite import require_finite
from sedlib.bases import RollingBases
from sedlib.products import window_blocks


@dataclass(frozen=True)
class SpectralGaps:
    """Three readings of a window's singular values, which the literature calls by one name."""

    k_star: Int64[Tensor, " windows"]
    r"""Position of the largest ratio: :math:`k^* = \arg\max_j \sigma_j / \sigma_{j+1}`, counted from 1."""
    ratio23: Float64[Tensor, " windows"]
    r""":math:`\sigma_2 / \sigma_3`."""
    g23: Float64[Tensor, " windows"]
    r""":math:`g_{23} = \sigma_2^2 - \sigma_3^2`, in squared units of the rows."""


@checked()
def spectral_gaps(
    singular_values: Float64[Tensor, "windows window"], determined: Bool[Tensor, " windows"] | None = None
) -> SpectralGaps:
    """The gaps between descending singular values.

    For a window that is not ``determined`` (its third singular value is rounding), k* is 0 and the other readings are
    NaN.

    Raises
    ------
    ValueError
        There are fewer than three singular values, they are not finite, not descending, or so small or large that a
        reading is not.

    Examples
    --------
    >>> gaps = spectral_gaps(torch.tensor([[8.0, 6.0, 2.0, 1.0]], dtype=torch.float64))
    >>> gaps.k_star.item(), gaps.ratio23.item(), gaps.g23.item()
    (2, 3.0, 32.0)
    """
    if singular_values.shape[-1] < 3:
        raise ValueError(f"gaps need a window of at least 3 rows, got {singular_values.shape[-1]}")
    require_finite(singular_values=singular_values)
    if (singular_values < 0).any() or (singular_values.diff(dim=1) > 0).any():
        raise ValueError("singular_values: expected those of each window in descending order, none of them negative")
    read = torch.ones(len(singular_values), dtype=torch.bool) if determined is None else determined
    second, third = singular_values[:, 1], singular_values[:, 2]
    ratio23, g23 = second / third, second.square() - third.square()
    if len(found := (read & ~(ratio23.isfinite() & g23.isfinite())).nonzero()):
        values = singular_values[int(found[0]), :3].tolist()
        raise ValueError(f"singular_values: window {int(found[0])} has no gap after its second one, got {values}")
    ratios = singular_values[:, :-1] / singular_values[:, 1:]
    ratios = ratios.nan_to_num(nan=0.0, posinf=torch.inf)  # 0/0 is no gap
    k_star = torch.where(read, ratios.argmax(-1) + 1, 0)
    return SpectralGaps(k_star, ratio23.where(read, torch.nan), g23.where(read, torch.nan))


@checked()
def successive_overlaps(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> Float64[Tensor, " pairs"]:
    r"""Mean principal cosine between each basis and the next; 1: the same subspace, 0: orthogonal.

    :math:`V_m V_{m+1}^\top = C_m G_{m,m+1} C_{m+1}^\top`, where the block of the Gram matrix holds the rows of
    window m against those of window m + 1; its singular values are the cosines. NaN beside a window that determines no
    basis.

    Raises
    ------
    ValueError
        The band does not reach over window + 1 rows, or is not finite.

    Examples
    --------
    >>> from sedlib.bases import rolling_bases
    >>> from sedlib.products import gram_band
    >>> band = gram_band(torch.eye(3), reach=2)  # windows of 2 rows share one
    >>> successive_overlaps(band, rolling_bases(band, window=2, rank=2)).tolist()
    [0.5]
    """
    _require_band_of(band, bases)
    blocks = window_blocks(band, bases.window, offset=1)
    products = bases.coefficients[:-1] @ blocks @ bases.coefficients[1:].mT
    both = bases.determined[:-1] & bases.determined[1:]
    return torch.linalg.svdvals(products).mean(-1).where(both, torch.nan)


@checked()
def orthonormality(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> Float64[Tensor, ""]:
    r"""How far the bases are from orthonormal, as far as rounding lets this be measured.

    The largest entry of :math:`\sigma_i \sigma_j |C_m G_m C_m^\top - I|_{ij} / \sigma_1^2`: an eigenproblem rounds to a
    share ε of its largest eigenvalue, so that directions of small singular values are less orthonormal than others.
    Windows that determine no basis are left out.

    Raises
    ------
    ValueError
        The band does not reach over the window's rows, or is not finite.

    Examples
    --------
    >>> from sedlib.bases import rolling_bases
    >>> from sedlib.products import gram_band
    >>> band = gram_band(torch.diag(torch.tensor([3.0, 2.0, 1.0])), reach=1)
    >>> float(orthonormality(band, rolling_bases(band, window=2, rank=2)))
    0.0
    """
    _require_band_of(band, bases)
    products = bases.coefficients @ window_blocks(band, bases.window) @ bases.coefficients.mT
    rank = products.shape[-1]
    shares = bases.singular_values[:, :rank] / bases.singular_values[:, :1]
    errors = (products - torch.eye(rank, dtype=products.dtype)) * shares[:, :, None] * shares[:, None]
    return errors[bases.determined].abs().max()


@checked()
def spectral_residual(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> Float64[Tensor, ""]:
    r"""How far the bases are from singular vectors, and the singular values from those of the windows.

    With :math:`u_i = \sigma_i C_i`, the largest of :math:`\|G_m u_i - \sigma_i^2 u_i\|` and of
    :math:`|\sigma_j^2 - \lambda_j(G_m)|`, as a share of :math:`\lambda_1(G_m)`. Of windows that determine no basis the
    singular values alone are compared.

    Raises
    ------
    ValueError
        The band does not reach over the window's rows, is not finite, or is that of a window without a direction.

    Examples
    --------
    >>> from sedlib.bases import rolling_bases
    >>> from sedlib.products import gram_band
    >>> band = gram_band(torch.diag(torch.tensor([3.0, 2.0, 1.0])), reach=1)
    >>> float(spectral_residual(band, rolling_bases(band, window=2, rank=2)))
    0.0
    """
    _require_band_of(band, bases)
    blocks = window_blocks(band, bases.window)
    squares = bases.singular_values.square()
    eigenvalues = torch.linalg.eigvalsh(blocks).flip(-1)
    if len(found := (bases.determined & ~(eigenvalues[:, 0] > 0)).nonzero()):
        raise ValueError(f"band: window {int(found[0])} has no direction, its rows are zero")
    rank = bases.coefficients.shape[1]
    left = bases.coefficients * bases.singular_values[:, :rank, None]
    residuals = (left @ blocks - squares[:, :rank, None] * left).norm(dim=-1)
    differences = torch.cat([residuals, (squares - eigenvalues).abs()], dim=-1)
    largest = torch.where(eigenvalues[:, :1] > 0, eigenvalues[:, :1], 1)  # of zero rows nothing but zeros is expected
    return (differences / largest).max()


def _require_band_of(band: Float64[Tensor, "rows offsets"], bases: RollingBases) -> None:
    require_finite(band=band)
    if len(band) != (expected := int(bases.window_end[-1]) + 1):
        raise ValueError(f"band: expected that of the {expected} rows whose bases these are, got {len(band)} rows")
