"""Frequencies on a cyclic group: angles one by one, least squares, and powers counted out."""

import cmath

import numpy as np
import torch

import sedlib.fourier as fourier
from sedlib.selftest.check import Pair, check
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, FLOAT64

ORDER, FREQUENCY = 97, 5


def _pair(element: int, frequency: int = FREQUENCY) -> list[float]:
    turned = cmath.exp(2j * cmath.pi * frequency * element / ORDER)
    return [turned.real, turned.imag]


def _fitted(values: torch.Tensor, functions: torch.Tensor) -> np.ndarray:
    about_mean, centred = (part.numpy() - part.numpy().mean(0) for part in (values, functions))
    return centred @ np.linalg.lstsq(centred, about_mean, rcond=None)[0]


@check("fourier.frequencies", EXACT)
def frequencies(_: Setting) -> Pair:
    """Of an even and of an odd group."""
    return lambda: [fourier.frequencies(n) for n in (8, 9)], lambda: [[1, 2, 3, 4], [1, 2, 3, 4]]


@check("fourier.characters", FLOAT64)
def characters(setting: Setting) -> Pair:
    """A complex exponential for each element."""
    elements = setting.whole(ORDER, 200)
    return (
        lambda: fourier.characters(elements, ORDER, FREQUENCY),
        lambda: np.array([_pair(element) for element in elements.tolist()]),
    )


@check("fourier.pair_functions", FLOAT64)
def pair_functions(setting: Setting) -> Pair:
    """The characters of both elements, and their products."""
    pairs = setting.whole(ORDER, 200, 2)

    def row(a: int, b: int) -> list[float]:
        first, second = _pair(a), _pair(b)
        return [*first, *second, *(one * other for one in first for other in second)]

    return (
        lambda: fourier.pair_functions(pairs, ORDER, FREQUENCY),
        lambda: np.array([row(a, b) for a, b in pairs.tolist()]),
    )


@check("fourier.part_in", FLOAT64)
def part_in(setting: Setting) -> Pair:
    """By least squares."""
    values, functions = setting.normal(200, 3), fourier.pair_functions(setting.whole(ORDER, 200, 2), ORDER, FREQUENCY)
    return lambda: fourier.part_in(values, functions), lambda: _fitted(values, functions)


@check("fourier.explained", FLOAT64)
def explained(setting: Setting) -> Pair:
    """The variance of the least-squares part over that of the values."""
    values, functions = setting.normal(200, 3), fourier.pair_functions(setting.whole(ORDER, 200, 2), ORDER, FREQUENCY)
    return (
        lambda: fourier.explained(values, functions),
        lambda: _fitted(values, functions).var(0) / values.numpy().var(0),
    )


@check("fourier.discrete_logarithms", EXACT)
def discrete_logarithms(_: Setting) -> Pair:
    """Powers of the smallest number that has as many as there are."""
    root = next(g for g in range(1, ORDER) if len({pow(g, e, ORDER) for e in range(ORDER - 1)}) == ORDER - 1)

    def expected() -> np.ndarray:
        exponents = {pow(root, exponent, ORDER): exponent for exponent in range(ORDER - 1)}
        return np.array([-1, *(exponents[x] for x in range(1, ORDER))])

    return lambda: fourier.discrete_logarithms(ORDER), expected
