"""Directions in which examples differ: a dense SVD of the centred gradients of single examples."""

import numpy as np
import torch

import sedlib.fisher as fisher
from sedlib.base.randomness import generator
from sedlib.selftest.check import Pair, check
from sedlib.selftest.checks.gradient_checks import cubic_loss
from sedlib.selftest.oracles import looped_example_gradients, signed
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import LANCZOS, NETWORK, SINGULAR

EXAMPLES, SIZE, RANK = 40, 60, 2


def _problem(setting: Setting) -> tuple[torch.Tensor, list[torch.Tensor]]:
    theta = setting.rounded(setting.normal(SIZE) / 8)
    scales = torch.tensor([4.0, 2.0, *[0.5] * (SIZE - 2)]).double()
    return theta, [setting.rounded(setting.normal(EXAMPLES, SIZE, seed=1) * scales), setting.normal(EXAMPLES, seed=2)]


def _centred_gradients(setting: Setting) -> np.ndarray:
    rows = looped_example_gradients(cubic_loss, *_problem(setting)).numpy()
    return rows - rows.mean(0)


@check("fisher.gradient_basis", SINGULAR)
def gradient_basis(setting: Setting) -> Pair:
    """Right singular vectors of a dense SVD, and the squares of its singular values over their number."""
    rows = setting.stream(EXAMPLES, 2_000)

    def found() -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
        basis = fisher.gradient_basis(setting.on(rows), RANK)
        return signed(basis.directions), basis.eigenvalues, basis.error_bound

    def expected() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        _, sizes, right = np.linalg.svd((rows - rows.mean(0)).numpy(), full_matrices=False)
        norms = float(rows.norm()) / sizes[:RANK]
        rounding, summed = torch.finfo(setting.dtype).eps, np.sqrt(2_000 / 2) * 2.0**-53
        return signed(right[:RANK]), sizes[:RANK] ** 2 / EXAMPLES, rounding * norms + 2 / 3 * summed * norms**2

    return found, expected


@check("fisher.empirical_fisher", NETWORK)
def empirical_fisher(setting: Setting) -> Pair:
    """A product with the whole matrix."""
    theta, examples = _problem(setting)
    vector = setting.normal(SIZE, seed=3).numpy()

    def expected() -> np.ndarray:
        rows = _centred_gradients(setting)
        return rows.T @ (rows @ vector) / EXAMPLES

    parts = setting.all_on(examples)
    return lambda: fisher.empirical_fisher(cubic_loss, setting.on(theta), parts, block=16) @ vector, expected


@check("fisher.lanczos", LANCZOS)
def lanczos(setting: Setting) -> Pair:
    """Eigenvectors and eigenvalues of the whole matrix."""
    theta, examples = _problem(setting)

    def found() -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
        operator = fisher.empirical_fisher(cubic_loss, setting.on(theta), setting.all_on(examples))
        basis = fisher.lanczos(operator, RANK, generator(0, "selftest"))
        return signed(basis.directions), basis.eigenvalues, basis.error_bound

    def expected() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        _, sizes, right = np.linalg.svd(_centred_gradients(setting), full_matrices=False)
        squares = sizes[:RANK] ** 2
        bound = 4 / 3 * (1e-6 + 32 * torch.finfo(setting.dtype).eps * squares[0] / squares)
        return signed(right[:RANK]), squares / EXAMPLES, bound

    return found, expected
