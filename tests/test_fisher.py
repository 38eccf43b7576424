"""Lanczos, the Gram matrix and a dense SVD find the same directions; planted ones are recovered."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import ArpackNoConvergence

from sedlib.base.randomness import generator
from sedlib.fisher import empirical_fisher, gradient_basis, lanczos
from sedlib.gradients import per_example_gradients
from sedlib.selftest.oracles import looped_example_gradients, principal_cosines

N_PARAMS, N_EXAMPLES = 60, 25


def cubic_loss(theta: torch.Tensor, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((x @ theta) ** 3 - target).square()


def problem(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    random = torch.Generator().manual_seed(0)
    theta = torch.randn(N_PARAMS, generator=random, dtype=dtype) / 8
    x = torch.randn(N_EXAMPLES, N_PARAMS, generator=random, dtype=dtype)
    return theta, (x, torch.randn(N_EXAMPLES, generator=random, dtype=dtype))


def looped_gradients(theta: torch.Tensor, examples: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return looped_example_gradients(cubic_loss, theta, examples)


@pytest.mark.parametrize("block", [1, 7, 25, 100])
def test_per_example_gradients_are_each_examples_own(block: int) -> None:
    theta, examples = problem()
    torch.testing.assert_close(
        per_example_gradients(cubic_loss, theta, examples, block), looped_gradients(theta, examples)
    )


def test_the_basis_is_the_svd_of_the_centred_gradients() -> None:
    theta, examples = problem()
    rows = looped_gradients(theta, examples).numpy()
    _, sizes, right = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    basis, singular_values = gradient_basis(torch.from_numpy(rows), 4)
    np.testing.assert_allclose(singular_values, sizes[:4], rtol=1e-8)
    np.testing.assert_allclose(np.abs((basis.numpy() * right[:4]).sum(1)), 1, atol=1e-8)


@pytest.mark.parametrize("block", [4, 25])
def test_a_product_with_the_fisher_matrix_is_that_of_the_matrix(block: int) -> None:
    theta, examples = problem()
    rows = looped_gradients(theta, examples)
    centred = rows - rows.mean(0)
    vector = torch.randn(N_PARAMS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = empirical_fisher(cubic_loss, theta, examples, block) @ vector.numpy()
    np.testing.assert_allclose(found, centred.T @ (centred @ vector) / N_EXAMPLES, rtol=1e-9)


def test_lanczos_finds_the_basis_of_the_matrix() -> None:
    theta, examples = problem()
    basis, singular_values = gradient_basis(looped_gradients(theta, examples), 3)
    found, eigenvalues = lanczos(empirical_fisher(cubic_loss, theta, examples, 10), 3, generator(0, "lanczos"))
    np.testing.assert_allclose(eigenvalues, singular_values**2 / N_EXAMPLES, rtol=1e-5)
    np.testing.assert_allclose(principal_cosines(found.numpy(), basis.numpy()), 1, atol=1e-5)


def test_a_planted_low_rank_fisher_is_recovered() -> None:
    """Losses that are linear in θ along two planted directions: their gradients are multiples of these."""
    random = torch.Generator().manual_seed(4)
    planted = torch.linalg.qr(torch.randn(N_PARAMS, 2, generator=random, dtype=torch.float64))[0].T
    weights = torch.randn(200, 2, generator=random, dtype=torch.float64) * torch.tensor([3.0, 1.0])
    gradients = weights @ planted
    theta = torch.zeros(N_PARAMS, dtype=torch.float64)

    def loss(at: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        return row @ at

    dense, _ = gradient_basis(per_example_gradients(loss, theta, [gradients]), 2)
    iterated, eigenvalues = lanczos(empirical_fisher(loss, theta, [gradients]), 2, generator(0, "lanczos"))
    for found in (dense, iterated):
        np.testing.assert_allclose(principal_cosines(found.numpy(), planted.numpy()), 1, atol=1e-6)
    covariance = np.linalg.eigvalsh(np.cov(weights.numpy().T, bias=True))[::-1]
    np.testing.assert_allclose(eigenvalues, covariance, rtol=1e-5)


def test_lanczos_gives_the_same_bytes_again() -> None:
    theta, examples = problem(torch.float32)
    operator = empirical_fisher(cubic_loss, theta, examples)
    first, second = (lanczos(operator, 2, generator(0, "lanczos"))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_a_rank_that_the_examples_do_not_have_is_refused() -> None:
    theta, examples = problem()
    few = looped_gradients(theta, (examples[0][:3], examples[1][:3]))
    with pytest.raises(ValueError, match="3 centred gradients span fewer than rank = 3"):
        gradient_basis(few, 3)


def test_parts_of_different_lengths_are_refused() -> None:
    theta, (x, target) = problem()
    with pytest.raises(ValueError, match=r"same length, got \[25, 24\]"):
        per_example_gradients(cubic_loss, theta, (x, target[:24]))
    with pytest.raises(ValueError, match=r"same length, got \[25, 24\]"):
        empirical_fisher(cubic_loss, theta, (x, target[:24]))


def test_lanczos_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise ArpackNoConvergence("no convergence after 600 iterations", np.empty(0), np.empty(0))

    monkeypatch.setattr("sedlib.fisher.eigsh", give_up)
    theta, examples = problem()
    with pytest.raises(ValueError, match=r"after 600 iterations.*choose fewer, or a larger tolerance"):
        lanczos(empirical_fisher(cubic_loss, theta, examples), 3, generator(0, "lanczos"))
