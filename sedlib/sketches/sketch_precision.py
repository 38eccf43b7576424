r"""What a sketch does to singular values, their gaps and bases, to first order in :math:`1 / \sqrt m`.

Rows :math:`A = U \Sigma V^\top` of a window have the sketch :math:`A S^\top = U \Sigma (V^\top S^\top)`. With
:math:`V^\top S^\top S V = I + E`, the entries of E are uncorrelated, of mean 0, of variance 2/m on the diagonal and 1/m
beside it (``sedlib.sketches.sketch``; less where few chunks hold a row), whatever the singular values are. Perturbation
of :math:`\Sigma (I + E) \Sigma` gives

.. math::
    \hat\sigma_j = \sigma_j (1 + \tfrac12 E_{jj}), \qquad
    \hat v_j = v_j + \sum_{l \ne j} \frac{\sigma_l^2}{\sigma_j^2 - \sigma_l^2} E_{jl} v_l

for the directions :math:`\hat v_j = A^\top \hat u_j / \hat\sigma_j` that the sketch's coefficients make of the true
rows. So a small singular value is as exact as a large one, relative to itself, and what is far below a direction's
singular value hardly turns it. All singular values of a window at once are right to a factor between the extreme
singular values of the W×m matrix :math:`V^\top S^\top`, which are about :math:`1 \pm \sqrt{W/m}`.

Shapes: singular values are ``[windows, window]``, errors ``[windows]``. Units: ``g23`` has the squared unit of the
rows; the others have none. Source: ours, from first-order perturbation theory (Stewart and Sun 1990, chapter V).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.finite import require_finite


@dataclass(frozen=True)
class SketchErrors:
    """Standard errors of what a sketch of m buckets gives, over its random choices."""

    singular_value: float
    r"""Of each :math:`\sigma_j`, relative: :math:`1 / \sqrt{2m}`."""
    ratio: float
    r"""Of each :math:`\sigma_j / \sigma_{j+1}`, relative: :math:`1 / \sqrt m`."""
    g23: Float64[Tensor, " windows"]
    r"""Of :math:`\sigma_2^2 - \sigma_3^2`: :math:`\sqrt{2 (\sigma_2^4 + \sigma_3^4) / m}`."""
    k_star: Float64[Tensor, " windows"]
    r"""By how many standard errors, :math:`\sqrt{3/m}` at most, the logarithm of the largest ratio exceeds that of the
    second: below 2, k* may be that of the sketch alone."""
    subspace: Float64[Tensor, " windows"]
    r"""Root mean square of :math:`\lVert \sin\Theta \rVert_F` between the span of the first k directions and the exact
    one: :math:`\big( \frac1m \sum_{j \le k, l > k'} \sigma_l^4 / (\sigma_j^2 - \sigma_l^2)^2 \big)^{1/2}`, k' the
    dimensions that are kept. Above 0.3 it says no more than that the gap does not determine the span."""


@checked()
def sketch_errors(
    singular_values: Float64[Tensor, "windows window"], buckets: int, rank: int, kept: int | None = None
) -> SketchErrors:
    """Errors that a sketch of ``buckets`` numbers a row brings to windows of these singular values.

    Those of the sketch itself will do, to the same order.

    Parameters
    ----------
    singular_values
        All of each window's, descending.
    buckets, rank
        m and k.
    kept
        Dimensions of the bases that ``sketched_directions`` is given, k unless there are more.

    Raises
    ------
    ValueError
        Singular values are not finite, not descending, fewer than three, or so large or small that g23's error has no
        place in float64; there is no bucket, or rank is not between 1 and window.

    Examples
    --------
    >>> errors = sketch_errors(torch.tensor([[4.0, 2.0, 1.0]], dtype=torch.float64), buckets=10_000, rank=1)
    >>> errors.ratio, errors.subspace  # 0.01 of each ratio; the root of (4/12)² + (1/15)², a hundredth
    (0.01, tensor([0.0034], dtype=torch.float64))
    """
    window = singular_values.shape[-1]
    require_finite(singular_values=singular_values)
    if window < 3 or (singular_values.diff() > 0).any() or (singular_values < 0).any():
        raise ValueError("singular_values: expected three or more of each window, not negative and descending")
    kept = rank if kept is None else kept
    if buckets < 1 or not 1 <= rank <= kept <= window:
        raise ValueError(
            f"buckets must be at least 1, and 1 ≤ rank ≤ kept ≤ window = {window}, got {buckets}, {rank} and {kept}"
        )
    largest = singular_values[:, :1]
    squares = (singular_values / largest.where(largest > 0, 1.0)).square()  # of shares: those of 1e-100 would be lost
    of_g23 = (2 / buckets * squares[:, 1:3].square().sum(1)).sqrt() * largest[:, 0] * largest[:, 0]
    if len(found := (~of_g23.isfinite() | ((of_g23 == 0) & (singular_values[:, 1] > 0))).nonzero()):
        values = singular_values[int(found[0]), :3].tolist()
        raise ValueError(f"singular_values: window {int(found[0])} has a g23 that float64 does not hold, of {values}")
    logs = singular_values.log()
    ratios = (logs[:, :-1] - logs[:, 1:]).nan_to_num(nan=0.0).sort(descending=True).values
    first, rest = squares[:, :rank, None], squares[:, None, kept:]
    turned = (rest / (first - rest)).nan_to_num(nan=torch.inf).square().sum((1, 2))
    return SketchErrors(
        singular_value=1 / math.sqrt(2 * buckets),
        ratio=1 / math.sqrt(buckets),
        g23=of_g23,
        k_star=(ratios[:, 0] - ratios[:, 1]) / math.sqrt(3 / buckets),
        subspace=(turned / buckets).sqrt(),
    )


@checked()
def buckets_for(
    error: float, singular_values: Float64[Tensor, "windows window"], rank: int, kept: int | None = None
) -> int:
    """Fewest buckets with which the ratios' error and every window's basis are at most ``error``, to first order.

    Singular values of a few windows that were measured without a sketch, or with a small one, show what is needed.

    Raises
    ------
    ValueError
        The error is not between 0 and 1, there is no window, or a window's gap determines no basis; or as
        ``sketch_errors`` does.

    Examples
    --------
    >>> buckets_for(0.01, torch.tensor([[4.0, 2.0, 1.0]], dtype=torch.float64), rank=1)
    10000
    >>> buckets_for(0.01, torch.tensor([[4.0, 3.0, 1.0]], dtype=torch.float64), rank=1)  # (9 / 7)² + (1 / 15)² as many
    16576
    """
    if not 0 < error < 1:
        raise ValueError(f"error: expected a share between 0 and 1, got {error}")
    if not len(singular_values):
        raise ValueError("singular_values: expected those of at least one window, got none")
    of_one = sketch_errors(singular_values, 1, rank, kept)
    worst = max(of_one.ratio, float(of_one.subspace.max()))
    if not math.isfinite(worst):
        window = int(of_one.subspace.argmax())
        raise ValueError(
            f"singular_values: window {window} has equal ones around rank {rank}, or too many that are zero, so no "
            f"sketch determines its basis: {singular_values[window].tolist()}; choose another rank, or keep more"
        )
    return math.ceil((worst / error) ** 2 * (1 - 1e-12))  # a whole number stays one after rounding
