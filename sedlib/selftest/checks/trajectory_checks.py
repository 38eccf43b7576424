"""Trajectories: principal components by a dense SVD, and random walks whose steps are known."""

import math

import numpy as np
import torch
from scipy.stats import chi
from torch import Tensor

import sedlib.bases as bases
import sedlib.products as products
import sedlib.trajectory as trajectory
from sedlib.base.randomness import generator
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import signed, trajectory_pca
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import FLOAT64, ROUNDED, SINGLE, Tolerance

STEPS, SIZE = 12, 5_000
WALKS = 50
CHANCE = Tolerance(
    "chance", 2e-4 / torch.finfo(torch.float64).eps, "the mean of 50 random walks varies by 5e-5", torch.float64
)


def _walk(setting: Setting, steps: int = STEPS) -> Tensor:
    """Positions far from the origin, as parameters are."""
    drift = torch.linspace(0, 1, steps).double()[:, None] * 0.3 * setting.normal(SIZE, seed=1)
    return setting.rounded(3 * setting.normal(SIZE, seed=2) + drift + 0.1 * setting.normal(steps, SIZE).cumsum(0))


def _gram(setting: Setting, positions: Tensor) -> Tensor:
    return products.gram(trajectory.Displacements(setting.rows(positions), slice(0, SIZE)), setting.device).cpu()


def _percent(positions: Tensor) -> float:
    sizes = trajectory_pca(positions.numpy())[1] ** 2
    return float(100 * sizes[0] / sizes.sum())


@check("trajectory.Displacements", FLOAT64)
def displacements(setting: Setting) -> Pair:
    """Some columns of a block, less those of the first checkpoint."""
    positions = _walk(setting)
    key = slice(2, 7), slice(10, 400)
    return (
        lambda: trajectory.Displacements(setting.rows(positions), slice(1_000, 3_000))[key],
        lambda: (positions - positions[0])[2:7, 1_010:1_400],
    )


@check("trajectory.principal_components", SINGLE)
def principal_components(setting: Setting) -> Pair:
    """Directions and singular values of the centred displacements, and the norm before they were centred."""
    positions = _walk(setting)

    def found() -> list[np.ndarray | Tensor]:
        components = trajectory.principal_components(_gram(setting, positions), 2)
        norm = torch.as_tensor(components.norms)
        vectors = bases.directions(setting.rows(positions), components, 0)
        return [signed(vectors), components.singular_values[0, :4], norm]

    def expected() -> list[np.ndarray]:
        right, sizes = trajectory_pca(positions.numpy())
        return [signed(right[:2]), sizes[:4], np.array([np.linalg.norm(positions - positions[0])])]

    return found, expected


@check("trajectory.pc1_percent", FLOAT64)
def pc1_percent(setting: Setting) -> Pair:
    """The share of the first singular value's square."""
    positions = _walk(setting)
    return lambda: trajectory.pc1_percent(_gram(setting, positions)), lambda: _percent(positions)


@check("trajectory.expanding_pc1_percent", FLOAT64)
def expanding_pc1_percent(setting: Setting) -> Pair:
    """The share of the first singular value's square, of the first checkpoints alone."""
    positions = _walk(setting)
    return (
        lambda: trajectory.expanding_pc1_percent(_gram(setting, positions)),
        lambda: np.array([_percent(positions[:size]) for size in range(3, STEPS + 1)]),
    )


@check("trajectory.step_norms", FLOAT64)
def step_norms(setting: Setting) -> Pair:
    """Lengths of the differences."""
    positions = _walk(setting)
    return (
        lambda: trajectory.step_norms(_gram(setting, positions)),
        lambda: np.linalg.norm(np.diff(positions.numpy(), axis=0), axis=1),
    )


@check("trajectory.random_walk", FLOAT64)
def random_walk(setting: Setting) -> Pair:
    """The same draws as a triangular factor, row by row: normal numbers, and quantiles of χ on its diagonal."""
    lengths, size = setting.normal(30).abs(), 7

    def expected() -> np.ndarray:
        draws = generator(0, "selftest")
        normal = torch.randn(30, size, generator=draws, dtype=torch.float64).numpy()
        uniform = torch.rand(size, generator=draws, dtype=torch.float64).numpy()
        steps = np.zeros((30, size))
        for row in range(30):
            steps[row, :row] = normal[row, :row]
            if row < size:
                steps[row, row] = chi.ppf(uniform[row], size - row)
            steps[row] *= float(lengths[row]) / np.linalg.norm(steps[row])
        return np.concatenate([np.zeros((1, size)), np.cumsum(steps, axis=0)])

    return lambda: trajectory.random_walk(lengths, size, generator(0, "selftest")), expected


@check("trajectory.random_walk_null", CHANCE)
def random_walk_null(_: Setting) -> Pair:
    """In many dimensions walks of equal steps have the variances 1 / 4 sin²(πk/2T), k = 1 … T − 1."""
    steps = 41

    def found() -> float:
        line = torch.arange(steps, dtype=torch.float64)[:, None]
        null = trajectory.random_walk_null(line @ line.T, 1_000_000, WALKS, generator(0, "selftest"))
        return float(null.mean())

    def expected() -> float:
        shares = [1 / (4 * math.sin(math.pi * k / (2 * steps)) ** 2) for k in range(1, steps)]
        return 100 * shares[0] / sum(shares)

    return found, expected


@check("trajectory.z_score", ROUNDED)
def z_score(_: Setting) -> Pair:
    """Of 8 beside 1, 2 and 3: six standard deviations above their mean."""
    return lambda: trajectory.z_score(8.0, torch.tensor([1.0, 2.0, 3.0]).double()), lambda: 6.0
