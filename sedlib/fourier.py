r"""How much of a function on a cyclic group its frequencies explain.

On :math:`\mathbb Z_n` the functions of frequency f are :math:`\cos(2\pi f x/n)` and :math:`\sin(2\pi f x/n)`,
f = 1 … ⌊n/2⌋. Multiplication modulo a prime p is :math:`\mathbb Z_{p-1}` after the discrete logarithm.
Source of the readouts: Nanda et al., arXiv 2301.05217.

Shapes: elements of the group are ``[points]`` or pairs of them ``[points, 2]``, values ``[points, columns]``,
functions ``[points, functions]``; a share of each column is ``[columns]``, a table of logarithms ``[p]``.

Units: a frequency is a number of turns on the way around the group; parts of values have the values' unit; :math:`R^2`
is a share between 0 and 1.
"""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.finite import require_finite

LEAST_VARIATION = 1e-12
"""Length of the centred values relative to that of the values themselves: what is less is rounding in float64."""
INDEPENDENT_FUNCTION = 1e-9
"""A singular value of the functions, relative to the largest: what is less is rounding, and so depends on the others.

The sine of the highest frequency, and products on few points, leave about 1e-16 in float64.
"""


@checked()
def frequencies(n: int) -> range:
    """Frequencies of real functions on the cyclic group of order n, without the constant.

    Raises
    ------
    ValueError
        n is less than 1.

    Examples
    --------
    >>> list(frequencies(5)), list(frequencies(6))
    ([1, 2], [1, 2, 3])
    """
    if n < 1:
        raise ValueError(f"n, the order of the group, must be at least 1, got {n}")
    return range(1, n // 2 + 1)


@checked()
def characters(elements: Int64[Tensor, " points"], n: int, frequency: int) -> Float64[Tensor, "points 2"]:
    r"""Cosine and sine of ``frequency`` at each element: :math:`\cos(2\pi f x/n), \sin(2\pi f x/n)`.

    Raises
    ------
    ValueError
        n is less than 1, or an element is not in 0 … n − 1.

    Examples
    --------
    >>> characters(torch.tensor([0, 1, 2]), n=4, frequency=1).round().int().tolist()  # by quarter turns
    [[1, 0], [0, 1], [-1, 0]]
    """
    if n < 1 or len(found := ((elements < 0) | (elements >= n)).nonzero()):
        which = f", {int(elements[found[0]])} is none" if n >= 1 else ""
        raise ValueError(f"elements: expected those of a cyclic group, 0 … n − 1 with n = {n}{which}")
    angle = (elements * frequency % n).double() * (2 * math.pi / n)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@checked()
def pair_functions(pairs: Int64[Tensor, "points 2"], n: int, frequency: int) -> Float64[Tensor, "points 8"]:
    """All functions of ``frequency`` in a, in b, or in both: the characters of each and their four products.

    The products span the characters of a + b and of a − b: cos(a + b) = cos a cos b − sin a sin b. The columns are
    cos a, sin a, cos b, sin b, cos a cos b, cos a sin b, sin a cos b and sin a sin b.

    Raises
    ------
    ValueError
        n is less than 1, or an element of a pair is not in 0 … n − 1.

    Examples
    --------
    >>> pair_functions(torch.tensor([[1, 2]]), n=4, frequency=1).round().int().tolist()  # a quarter and a half turn
    [[0, 1, -1, 0, 0, 0, -1, 0]]
    """
    first, second = (characters(pairs[:, operand], n, frequency) for operand in (0, 1))
    products = (first[:, :, None] * second[:, None, :]).flatten(1)
    return torch.cat([first, second, products], dim=1)


@checked()
def part_in(
    values: Float[Tensor, "points columns"], functions: Float64[Tensor, "points functions"]
) -> Float64[Tensor, "points columns"]:
    """Least-squares part of the centred values in the span of the centred functions, dependent ones allowed.

    Raises
    ------
    ValueError
        There are no points or no functions, or a value or a function is not finite.

    Examples
    --------
    >>> values = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    >>> halves = torch.tensor([[0.0], [0.0], [1.0], [1.0]], dtype=torch.float64)
    >>> part_in(values, halves).flatten().round(decimals=6).tolist()  # means of the halves, 1 and 5, less the mean 3
    [-2.0, -2.0, 2.0, 2.0]
    """
    if not functions.numel():
        raise ValueError(f"functions: expected at least one point and one function, got {tuple(functions.shape)}")
    require_finite(values=values, functions=functions)
    left, sizes, _ = torch.linalg.svd(_centred(functions), full_matrices=False)
    basis = left[:, sizes > INDEPENDENT_FUNCTION * sizes.max().clamp(min=1)]
    return basis @ (basis.T @ _centred(values))


@checked()
def explained(
    values: Float[Tensor, "points columns"], functions: Float64[Tensor, "points functions"]
) -> Float64[Tensor, " columns"]:
    r""":math:`R^2` of each column: share of its variance in the span of the functions.

    Raises
    ------
    ValueError
        There are no points or no functions, a value or a function is not finite, or a column is constant: it has no
        variance to explain.

    Examples
    --------
    >>> values = torch.tensor([[0.0], [2.0], [4.0], [6.0]])  # squares about the mean: 9, 1, 1 and 9
    >>> halves = torch.tensor([[0.0], [0.0], [1.0], [1.0]], dtype=torch.float64)
    >>> explained(values, halves).round(decimals=6).tolist()  # 16 of 20
    [0.8]
    """
    variance = _centred(values).square().sum(0)
    constant = variance.sqrt() <= LEAST_VARIATION * values.double().norm(dim=0)
    if len(found := constant.nonzero()):
        raise ValueError(f"R² of a constant is not defined; column {int(found[0])} of values is one, leave it out")
    return part_in(values, functions).square().sum(0) / variance


@checked()
def discrete_logarithms(p: int) -> Int64[Tensor, " p"]:
    """Exponent of every x in 1 … p − 1 to the smallest primitive root g: x = g^log(x) mod p. Entry 0 is −1: none.

    Raises
    ------
    ValueError
        p is not prime, so that there is no such logarithm for all x.

    Examples
    --------
    >>> discrete_logarithms(5).tolist()  # 1 = 2⁰, 2 = 2¹, 3 = 2³, 4 = 2² modulo 5
    [-1, 0, 1, 3, 2]
    """
    for root in range(1, p):
        logarithms = torch.full((p,), -1)
        power = 1
        for exponent in range(p - 1):
            if logarithms[power] >= 0:
                break  # the powers come round before they met every x
            logarithms[power] = exponent
            power = power * root % p
        if (logarithms[1:] >= 0).all():
            return logarithms
    raise ValueError(f"the discrete logarithm modulo {p} needs a prime")


def _centred(values: Float[Tensor, "points columns"]) -> Float64[Tensor, "points columns"]:
    values = values.double()
    return values - values.mean(0)
