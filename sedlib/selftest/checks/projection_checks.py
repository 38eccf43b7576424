"""Projections: by least squares in float64, and the singular vectors of the last rows."""

import numpy as np
import torch
from torch import Tensor

import sedlib.projection as projection
from sedlib.base.randomness import generator
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import dense_svd_basis, least_squares_part, principal_cosines, signed, summed_products
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, HISTORY, PRODUCTS, ROUNDED, SINGLE

SIZE, RANK = 20_000, 3


@check("projection.onto_basis", PRODUCTS)
def onto_basis(setting: Setting) -> Pair:
    """The two products with the basis, each summed on its own."""
    basis, vector = setting.basis(RANK, SIZE), setting.normal(SIZE, seed=1)

    def expected() -> np.ndarray:
        return summed_products(summed_products(vector[None], basis), basis.T)[0]

    return lambda: projection.onto_basis(setting.on(basis))(setting.on(vector)), expected


@check("projection.onto_coordinates", EXACT)
def onto_coordinates(setting: Setting) -> Pair:
    """Kept coordinates as they are, zero elsewhere."""
    kept, vector = setting.normal(SIZE) > 0, setting.normal(SIZE, seed=1)
    return (
        lambda: projection.onto_coordinates(kept.to(setting.device))(setting.on(vector)),
        lambda: np.where(kept.numpy(), vector.numpy(), 0.0),
    )


@check("projection.removing", PRODUCTS)
def removing(setting: Setting) -> Pair:
    """The vector less its part in the span."""
    basis, vector = setting.basis(RANK, SIZE), setting.normal(SIZE, seed=1)

    def expected() -> np.ndarray:
        return vector.numpy() - least_squares_part(basis, vector)

    return lambda: projection.removing(projection.onto_basis(setting.on(basis)))(setting.on(vector)), expected


@check("projection.random_basis", SINGLE)
def random_basis(setting: Setting) -> Pair:
    """Orthonormal rows that span the same normal numbers."""
    vector = setting.normal(2_000, seed=1)

    def found() -> list[Tensor]:
        basis = projection.random_basis(RANK, 2_000, generator(0, "selftest")).double()
        return [basis @ basis.T, basis.T @ (basis @ vector)]

    def expected() -> list[np.ndarray]:
        drawn = torch.randn(RANK, 2_000, generator=generator(0, "selftest")).double()
        return [np.eye(RANK), least_squares_part(drawn, vector)]

    return found, expected


@check("projection.random_coordinates", EXACT)
def random_coordinates(_: Setting) -> Pair:
    """As many as are asked for, and those that the permutation has first."""

    def expected() -> list[bool]:
        chosen = set(torch.randperm(500, generator=generator(0, "selftest"))[:40].tolist())
        return [index in chosen for index in range(500)]

    return lambda: projection.random_coordinates(40, 500, generator(0, "selftest")), lambda: np.array(expected())


@check("projection.orthonormal", PRODUCTS)
def orthonormal(setting: Setting) -> Pair:
    """Orthonormal rows of the same span."""
    rows, vector = setting.normal(RANK, SIZE), setting.normal(SIZE, seed=1)

    def found() -> list[Tensor]:
        basis = projection.orthonormal(setting.on(rows)).cpu().double()
        return [basis @ basis.T, basis.T @ (basis @ vector)]

    return found, lambda: [np.eye(RANK), least_squares_part(rows, vector)]


@check("projection.RollingHistory", HISTORY)
def rolling_history(setting: Setting) -> Pair:
    """The top directions of a dense SVD of the last rows."""
    rows = setting.stream(20, SIZE).float()

    def found() -> np.ndarray:
        history = projection.RollingHistory(8, SIZE, setting.device)
        for row in rows.to(setting.device):
            history.append(row)
        return signed(history.basis(RANK))

    return found, lambda: signed(dense_svd_basis(rows.numpy(), 19, 8, RANK)[0])


@check("projection.overlap", PRODUCTS)
def overlap(setting: Setting) -> Pair:
    """The mean of the principal cosines."""
    first, second = setting.basis(RANK, 200), setting.basis(RANK, 200, seed=1)
    return (
        lambda: projection.overlap(setting.on(first), setting.on(second)),
        lambda: principal_cosines(first.numpy(), second.numpy()).mean(),
    )


@check("projection.principal_angles", ROUNDED)
def principal_angles(setting: Setting) -> Pair:
    """The arc cosines of the principal cosines."""
    first, second = setting.basis(RANK, 200), setting.basis(RANK, 200, seed=1)
    return (
        lambda: projection.principal_angles(setting.on(first), setting.on(second)),
        lambda: np.degrees(np.arccos(principal_cosines(first.numpy(), second.numpy()))),
    )
