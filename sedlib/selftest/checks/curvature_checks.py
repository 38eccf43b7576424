"""Commutators of gradient steps, from the steps themselves in float64, and in which directions they lie."""

import math
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

import sedlib.curvature as curvature
import sedlib.weight_directions as weight_directions
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import least_squares_part, stepwise_commutator, trajectory_pca
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import COMMUTATOR, EXACT, FLOAT64, PRODUCTS, SINGLE
from sedlib.vectors import ParamLayout

SIZE, ETA = 40, 0.1


def _quadratic(theta: Tensor, root: Tensor, minimum: Tensor) -> Tensor:
    return (root @ (theta - minimum)).square().sum() / 2


def _gradient(theta: Tensor, root: Tensor, minimum: Tensor) -> Tensor:
    return root.T @ (root @ (theta - minimum))


@check("curvature.commutators", COMMUTATOR)
def commutators(setting: Setting) -> Pair:
    """Two steps on quadratic losses in both orders."""
    theta = setting.normal(SIZE)
    first, second = (
        [setting.rounded(setting.normal(SIZE, SIZE, seed=seed) / math.sqrt(SIZE)), setting.normal(SIZE, seed=seed + 1)]
        for seed in (1, 3)
    )

    def found() -> list[curvature.Commutator]:
        batches, gradient = [setting.all_on(first), setting.all_on(second)], torch.func.grad(_quadratic)
        return list(curvature.commutators(gradient, setting.on(theta), batches, [(0, 1)], ETA))

    def expected() -> list[object]:
        delta = stepwise_commutator(_gradient, theta, first, second, ETA).numpy()
        lengths = [ETA * np.linalg.norm(_gradient(theta, *batch).numpy()) for batch in (first, second)]
        return [delta, np.linalg.norm(delta) / math.prod(lengths)]

    return found, expected


@check("curvature.pooled_pairs", EXACT)
def pooled_pairs(_: Setting) -> Pair:
    """Nine of the ten pairs of five batches."""
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4)]
    return lambda: curvature.pooled_pairs(9), lambda: pairs


@check("curvature.execution_basis", SINGLE)
def execution_basis(setting: Setting) -> Pair:
    """A vector's part in the principal directions of each block."""
    positions = setting.rounded(setting.normal(10, 600).cumsum(0) + 5)
    vector, blocks = setting.normal(600, seed=1), {"first": slice(0, 250), "second": slice(300, 600)}

    def found() -> Tensor:
        basis = curvature.execution_basis(setting.rows(positions), blocks).double()
        return basis.T @ (basis @ vector)

    def expected() -> np.ndarray:
        part = np.zeros(600)
        for block in blocks.values():
            axes = trajectory_pca(positions.numpy()[:, block])[0][:2]
            part[block] = axes.T @ (axes @ vector.numpy()[block])
        return part

    return found, expected


@check("weight_directions.singular_basis", SINGLE)
def singular_basis(setting: Setting) -> Pair:
    """A vector's part in the singular directions of two matrices, from NumPy's decomposition of each."""
    layout = ParamLayout(("first", "second"), ((12, 20), (30, 12)))
    theta, vector = setting.rounded(setting.normal(layout.size)), setting.normal(layout.size, seed=1)
    blocks = {"first": slice(0, 240), "half": slice(240, 420)}

    def found() -> Tensor:
        basis = weight_directions.singular_basis(setting.on(theta), layout, blocks).cpu().double()
        return basis.T @ (basis @ vector)

    def expected() -> np.ndarray:
        part = np.zeros(layout.size)
        for block, width in ((blocks["first"], 20), (blocks["half"], 12)):
            left, _, right = np.linalg.svd(theta.numpy()[block].reshape(-1, width), full_matrices=False)
            axes = np.stack([np.outer(left[:, i], right[i]).ravel() for i in range(3)])
            part[block] = axes.T @ (axes @ vector.numpy()[block])
        return part

    return found, expected


@check("curvature.decompose", PRODUCTS)
def decompose(setting: Setting) -> Pair:
    """Lengths of a vector's part in the span, by least squares, and of the rest."""
    basis, vectors = setting.basis(16, 600), setting.normal(4, 600, seed=1)

    def expected() -> tuple[np.ndarray, np.ndarray]:
        inside = np.stack([least_squares_part(basis, vector) for vector in vectors])
        norms = [np.linalg.norm(rows, axis=1) for rows in (inside, vectors.numpy() - inside, vectors.numpy())]
        return norms[0] / norms[2], norms[1] / norms[2]

    return lambda: curvature.decompose(setting.on(vectors), setting.on(basis)), expected


@check("curvature.expected_random_share", FLOAT64)
def expected_random_share(_: Setting) -> Pair:
    r"""By :math:`r(n + 2) = r(n)\, n / (n + 1)` of :math:`r(n) = \Gamma(n/2) / \Gamma((n + 1)/2)`."""
    sizes = [(1, 2), (3, 30), (16, 290_401)]

    def ratio(n: int) -> float:
        odd = n % 2
        start = math.sqrt(math.pi) if odd else 2 / math.sqrt(math.pi)
        return start * math.prod(k / (k + 1) for k in range(1 if odd else 2, n, 2))

    def share(rank: int, size: int) -> float:
        return ratio(size) / ratio(rank)

    return (
        lambda: [curvature.expected_random_share(*each) for each in sizes],
        lambda: [share(*each) for each in sizes],
    )


@check("curvature.alignment", FLOAT64)
def alignment(setting: Setting) -> Pair:
    """The mean of one cosine after another."""
    step, vectors = setting.normal(500), setting.normal(6, 500, seed=1)

    def expected() -> float:
        norms = np.linalg.norm(vectors.numpy(), axis=1) * np.linalg.norm(step.numpy())
        return fmean(np.abs(vectors.numpy() @ step.numpy()) / norms)

    return lambda: curvature.alignment(setting.on(step), setting.on(vectors)), expected
