"""Rolling bases: Gram matrices term by term, a dense SVD of every window."""

from itertools import pairwise

import numpy as np
import torch

import sedlib.bases as bases
import sedlib.products as products
import sedlib.readings as readings
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import dense_svd_basis, principal_cosines, signed, summed_products
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, FLOAT64, ROUNDED, SINGLE

STEPS, SIZE, WINDOW, RANK = 14, 20_000, 8, 3


def _bases(rows: np.ndarray) -> tuple[torch.Tensor, bases.RollingBases]:
    band = products.gram_band(rows, WINDOW)
    return band, bases.rolling_bases(band, WINDOW, RANK)


@check("products.gram", FLOAT64)
def gram(setting: Setting) -> Pair:
    """Each product summed on its own."""
    rows = setting.stream(STEPS, SIZE)
    return lambda: products.gram(setting.rows(rows), setting.device), lambda: summed_products(rows, rows)


@check("products.gram_band", FLOAT64)
def gram_band(setting: Setting) -> Pair:
    """Each product summed on its own, and zero past the last row."""
    rows = setting.stream(STEPS, SIZE)

    def expected() -> np.ndarray:
        padded = np.pad(summed_products(rows, rows), ((0, 0), (0, WINDOW)))
        return np.stack([padded[t, t : t + WINDOW + 1] for t in range(STEPS)])

    return lambda: products.gram_band(setting.rows(rows), WINDOW, setting.device), expected


@check("products.diagonals", EXACT)
def diagonals(setting: Setting) -> Pair:
    """Entries of a Gram matrix, moved."""
    square = torch.from_numpy(summed_products(setting.stream(STEPS, 50), setting.stream(STEPS, 50)))
    padded = np.pad(square.numpy(), ((0, 0), (0, 4)))
    return (
        lambda: products.diagonals(square.to(setting.device), 3),
        lambda: np.stack([padded[t, t : t + 4] for t in range(STEPS)]),
    )


@check("products.centred", FLOAT64)
def centred(setting: Setting) -> Pair:
    """The Gram matrix of rows that were centred first."""
    rows = setting.stream(STEPS, 500)
    about_mean = rows - rows.mean(0)
    return (
        lambda: products.centred(products.gram(setting.rows(rows), setting.device)),
        lambda: summed_products(about_mean, about_mean),
    )


@check("bases.rolling_bases", FLOAT64)
def rolling_bases(setting: Setting) -> Pair:
    """Singular values of every window, and the products of its rows with the left singular vectors."""
    rows = setting.stream(STEPS, SIZE)

    def found() -> tuple[torch.Tensor, np.ndarray]:
        _, rolling = _bases(setting.rows(rows))
        windows = torch.stack([rows[end - WINDOW + 1 : end + 1] for end in rolling.window_end.tolist()])
        return rolling.singular_values[:, :RANK], signed(rolling.coefficients @ windows)

    def expected() -> list[np.ndarray]:
        windows = [dense_svd_basis(rows.numpy(), end, WINDOW, RANK) for end in range(WINDOW - 1, STEPS)]
        return [np.stack([sizes[:RANK] for _, sizes in windows]), signed(np.stack([right for right, _ in windows]))]

    return found, expected


@check("bases.directions", SINGLE)
def directions(setting: Setting) -> Pair:
    """The right singular vectors of a dense SVD."""
    rows = setting.stream(STEPS, SIZE)
    read = setting.rows(rows)
    return (
        lambda: signed(bases.directions(read, _bases(read)[1], 3)),
        lambda: signed(dense_svd_basis(rows.numpy(), WINDOW + 2, WINDOW, RANK)[0]),
    )


@check("readings.spectral_gaps", ROUNDED)
def spectral_gaps(_: Setting) -> Pair:
    """Values that can be told by heart."""
    sizes = torch.tensor([[8.0, 6.0, 2.0, 1.0], [5.0, 4.0, 3.0, 0.5]], dtype=torch.float64)
    return lambda: readings.spectral_gaps(sizes), lambda: [np.array(values) for values in ([2, 3], [3, 4 / 3], [32, 7])]


@check("readings.successive_overlaps", FLOAT64)
def successive_overlaps(setting: Setting) -> Pair:
    """Mean principal cosines of dense bases."""
    rows = setting.stream(STEPS, SIZE)

    def expected() -> np.ndarray:
        dense = [dense_svd_basis(rows.numpy(), end, WINDOW, RANK)[0] for end in range(WINDOW - 1, STEPS)]
        return np.array([principal_cosines(*pair).mean() for pair in pairwise(dense)])

    return lambda: readings.successive_overlaps(*_bases(setting.rows(rows))), expected


@check("readings.orthonormality", FLOAT64)
def orthonormality(setting: Setting) -> Pair:
    """Of a basis whose second direction is 1 % too long: 0.0201, weighted by its singular value's square."""
    rows = setting.stream(WINDOW, 1_000)
    band, rolling = _bases(setting.rows(rows))
    stretched = rolling.coefficients * torch.tensor([[1.0], [1.01], [1.0]], dtype=torch.float64)
    wrong = bases.RollingBases(rolling.window_end, stretched, rolling.singular_values)

    def expected() -> float:
        _, sizes = dense_svd_basis(rows.numpy(), WINDOW - 1, WINDOW, RANK)
        return float((1.01**2 - 1) * (sizes[1] / sizes[0]) ** 2)

    return lambda: readings.orthonormality(band, wrong), expected


@check("readings.spectral_residual", FLOAT64)
def spectral_residual(setting: Setting) -> Pair:
    """Of a basis whose largest singular value is 1 % too large: 0.0201 of its square, times 1.01, the length of σC."""
    band, rolling = _bases(setting.rows(setting.stream(WINDOW, 1_000)))
    sizes = rolling.singular_values.clone()
    sizes[:, 0] *= 1.01
    wrong = bases.RollingBases(rolling.window_end, rolling.coefficients, sizes)
    return lambda: readings.spectral_residual(band, wrong), lambda: 1.01 * (1.01**2 - 1)
