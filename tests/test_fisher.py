"""Lanczos, the Gram matrix and a dense SVD find the same directions; planted ones are recovered."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import ArpackNoConvergence, aslinearoperator

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
    found = gradient_basis(torch.from_numpy(rows), 4)
    np.testing.assert_allclose(found.eigenvalues, sizes[:4] ** 2 / N_EXAMPLES, rtol=1e-8)
    np.testing.assert_allclose(np.abs((found.directions.numpy() * right[:4]).sum(1)), 1, atol=1e-8)


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
    dense = gradient_basis(looped_gradients(theta, examples), 3)
    found = lanczos(empirical_fisher(cubic_loss, theta, examples, 10), 3, generator(0, "lanczos"))
    np.testing.assert_allclose(found.eigenvalues, dense.eigenvalues, rtol=1e-5)
    np.testing.assert_allclose(principal_cosines(found.directions.numpy(), dense.directions.numpy()), 1, atol=1e-5)


def test_a_planted_low_rank_fisher_is_recovered() -> None:
    """Losses that are linear in θ along two planted directions: their gradients are multiples of these."""
    random = torch.Generator().manual_seed(4)
    planted = torch.linalg.qr(torch.randn(N_PARAMS, 2, generator=random, dtype=torch.float64))[0].T
    weights = torch.randn(200, 2, generator=random, dtype=torch.float64) * torch.tensor([3.0, 1.0])
    gradients = weights @ planted
    theta = torch.zeros(N_PARAMS, dtype=torch.float64)

    def loss(at: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        return row @ at

    dense = gradient_basis(per_example_gradients(loss, theta, [gradients]), 2)
    iterated = lanczos(empirical_fisher(loss, theta, [gradients]), 2, generator(0, "lanczos"))
    for found in (dense, iterated):
        np.testing.assert_allclose(principal_cosines(found.directions.numpy(), planted.numpy()), 1, atol=1e-6)
    covariance = np.linalg.eigvalsh(np.cov(weights.numpy().T, bias=True))[::-1]
    np.testing.assert_allclose(iterated.eigenvalues, covariance, rtol=1e-5)


def test_lanczos_gives_the_same_bytes_again() -> None:
    theta, examples = problem(torch.float32)
    operator = empirical_fisher(cubic_loss, theta, examples)
    first, second = (lanczos(operator, 2, generator(0, "lanczos")).directions for _ in range(2))
    assert torch.equal(first, second)


def test_a_rank_that_the_examples_do_not_have_is_refused() -> None:
    theta, examples = problem()
    few = looped_gradients(theta, (examples[0][:3], examples[1][:3]))
    with pytest.raises(ValueError, match="3 centred gradients determine 2 of rank = 3"):
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lanczos_beyond_the_span_of_the_examples_is_refused_or_cut(dtype: torch.dtype) -> None:
    theta, (x, target) = problem(dtype)
    fisher = empirical_fisher(cubic_loss, theta, (x[:6], target[:6]))
    assert (fisher.precision, fisher.span) == (dtype, 5)
    with pytest.raises(ValueError, match="6 centred gradients span at most 5 of rank = 8 directions"):
        lanczos(fisher, 8, generator(0, "lanczos"))
    assert lanczos(fisher, 8, generator(0, "lanczos"), allow_fewer=True).directions.shape == (5, N_PARAMS)


@pytest.mark.parametrize(("dtype", "count"), [(torch.float32, 2), (torch.float64, 4)])
def test_lanczos_says_how_many_eigenvectors_the_operator_determines(dtype: torch.dtype, count: int) -> None:
    """Twelve examples whose gradients are multiples of four directions, of eigenvalues 1, 1e-3, 1e-6 and 1e-9."""
    random = torch.Generator().manual_seed(0)
    left = torch.linalg.qr(torch.randn(12, 5, generator=random, dtype=torch.float64))[0]
    left = torch.linalg.qr(torch.cat([torch.ones(12, 1).double(), left], dim=1))[0][:, 1:5]
    right = torch.linalg.qr(torch.randn(N_PARAMS, 4, generator=random, dtype=torch.float64))[0].T
    gradients = (left * torch.tensor([1.0, 1e-3, 1e-6, 1e-9]).double().sqrt()) @ right

    def loss(at: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        return row @ at

    fisher = empirical_fisher(loss, torch.zeros(N_PARAMS, dtype=dtype), [gradients.to(dtype)])
    with pytest.raises(ValueError, match=rf"products with the operator determine {count} of rank = 6 directions"):
        lanczos(fisher, 6, generator(0, "lanczos"))
    found = lanczos(fisher, 6, generator(0, "lanczos"), allow_fewer=True)
    cosines = principal_cosines(found.directions.double().numpy(), right[:count].numpy())
    assert len(found.eigenvalues) == len(found.error_bound) == count
    assert 1 - cosines.min() < 0.005


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_named_before_the_iteration_starts(value: float) -> None:
    theta, (x, target) = problem()
    x[3, 5] = value
    with pytest.raises(ValueError, match="example 3: the slope of its loss is not finite, got"):
        lanczos(empirical_fisher(cubic_loss, theta, (x, target)), 3, generator(0, "lanczos"))
    broken = aslinearoperator(np.diag([1.0, value, 2.0, 3.0, 4.0]))
    with pytest.raises(ValueError, match="product_with_the_operator: every value must be finite"):
        lanczos(broken, 2, generator(0, "lanczos"))
    with pytest.raises(ValueError, match="operator: expected real products, got complex128"):
        lanczos(aslinearoperator(1j * np.eye(5)), 2, generator(0, "lanczos"))
