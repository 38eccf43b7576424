import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sedlib.base.randomness import generator
from sedlib.blocks import blocks
from sedlib.curvature import (
    Commutator,
    LostInRoundingError,
    alignment,
    commutators,
    decompose,
    execution_basis,
    expected_random_share,
    pooled_pairs,
)
from sedlib.projection import random_basis
from sedlib.selftest.oracles import principal_cosines, stepwise_commutator, trajectory_pca
from sedlib.vectors import ParamLayout

SIZE, ETA = 12, 1e-3


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def quadratic(theta: torch.Tensor, hessian: torch.Tensor, minimum: torch.Tensor) -> torch.Tensor:
    return (theta - minimum) @ hessian @ (theta - minimum) / 2


quadratic_gradient = torch.func.grad(quadratic)


def symmetric(seed: int) -> torch.Tensor:
    root = normal(SIZE, SIZE, seed=seed)
    return root + root.T


def one(theta: torch.Tensor, first: list[torch.Tensor], second: list[torch.Tensor], eta: float = ETA) -> Commutator:
    (found,) = commutators(quadratic_gradient, theta, [first, second], [(0, 1)], eta)
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-4, 1.0))
def test_the_commutator_of_quadratic_losses_is_known(seed: int, eta: float) -> None:
    """δ = η² (H_B g_A − H_A g_B), exactly: a quadratic loss has no further order."""
    (h_a, h_b), theta = (symmetric(seed), symmetric(seed + 1)), normal(SIZE, seed=seed)
    a, b = normal(SIZE, seed=seed + 2), normal(SIZE, seed=seed + 3)
    g_a, g_b = h_a @ (theta - a), h_b @ (theta - b)
    found = one(theta, [h_a, a], [h_b, b], eta)
    expected = eta**2 * (h_b @ g_a - h_a @ g_b)
    torch.testing.assert_close(found.delta, expected, rtol=1e-9, atol=1e-12 * float(theta.norm()))
    assert found.defect == pytest.approx(float(expected.norm() / (eta**2 * g_a.norm() * g_b.norm())), rel=1e-6)


def test_losses_about_one_minimum_commute_as_their_hessians_do() -> None:
    theta, zero = normal(SIZE), torch.zeros(SIZE, dtype=torch.float64)
    axes = torch.linalg.qr(normal(SIZE, SIZE))[0]
    h_a, h_b = (axes @ normal(SIZE, seed=seed).diag() @ axes.T for seed in (1, 2))
    assert one(theta, [h_a, zero], [h_b, zero]).defect < 1e-9
    other = symmetric(3)
    bracket = other @ h_a - h_a @ other
    torch.testing.assert_close(one(theta, [h_a, zero], [other, zero]).delta, ETA**2 * bracket @ theta)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100.0))
def test_a_defect_is_free_of_rotation_and_scale_and_the_order_flips_the_sign(seed: int, scale: float) -> None:
    (h_a, h_b), theta = (symmetric(seed), symmetric(seed + 1)), normal(SIZE, seed=seed)
    a, b = normal(SIZE, seed=seed + 2), normal(SIZE, seed=seed + 3)
    found = one(theta, [h_a, a], [h_b, b])
    r = torch.linalg.qr(normal(SIZE, SIZE, seed=seed + 4))[0]
    turned = one(r @ theta, [r @ h_a @ r.T, r @ a], [r @ h_b @ r.T, r @ b])
    torch.testing.assert_close(turned.delta, r @ found.delta, rtol=1e-6, atol=1e-12)
    assert turned.defect == pytest.approx(found.defect, rel=1e-6)
    assert one(theta, [scale * h_a, a], [h_b, b]).defect == pytest.approx(found.defect, rel=1e-6)
    back = one(theta, [h_b, b], [h_a, a])
    torch.testing.assert_close(back.delta, -found.delta, rtol=1e-6, atol=1e-14)
    assert back.defect == pytest.approx(found.defect, rel=1e-9)


@pytest.fixture
def network() -> tuple[nn.Module, ParamLayout]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 4)).requires_grad_(False)
    return model, ParamLayout.select(model, "*")


def network_gradient(model: nn.Module, layout: ParamLayout, theta: torch.Tensor, *batch: torch.Tensor) -> torch.Tensor:
    def loss(at: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(model, layout.unflatten(at), (batch[0].to(at.dtype),))
        return nn.functional.cross_entropy(logits, batch[1])

    return torch.func.grad(loss)(theta)


def drawn(count: int) -> list[list[torch.Tensor]]:
    random = torch.Generator().manual_seed(5)
    return [[torch.randn(32, 6, generator=random), torch.randint(4, (32,), generator=random)] for _ in range(count)]


def test_float32_is_near_float64_where_the_steps_themselves_are_not(network: tuple[nn.Module, ParamLayout]) -> None:
    model, layout = network
    theta = 3 * layout.flatten(model.state_dict())
    first, second = drawn(2)

    def gradient_at(at: torch.Tensor, *batch: torch.Tensor) -> torch.Tensor:
        return network_gradient(model.to(at.dtype), layout, at, *batch)

    exact = stepwise_commutator(gradient_at, theta.double(), first, second, ETA)
    (found,) = commutators(gradient_at, theta, [first, second], [(0, 1)], ETA)
    naive = stepwise_commutator(gradient_at, theta, first, second, ETA)
    error = float((found.delta - exact).norm() / exact.norm())
    assert error < 1e-2
    assert float((naive - exact).norm() / exact.norm()) > 20 * error
    (wide,) = commutators(gradient_at, theta.double(), [first, second], [(0, 1)], ETA)
    torch.testing.assert_close(wide.delta, exact, rtol=1e-6, atol=1e-9 * float(exact.norm()))
    assert found.defect == pytest.approx(wide.defect, rel=1e-2)


def test_steps_that_float32_cannot_tell_from_rounding_are_refused(network: tuple[nn.Module, ParamLayout]) -> None:
    model, layout = network
    theta, batches = 3 * layout.flatten(model.state_dict()), drawn(2)

    def gradient_at(at: torch.Tensor, *batch: torch.Tensor) -> torch.Tensor:
        return network_gradient(model.to(at.dtype), layout, at, *batch)

    norm = min(float(gradient_at(theta, *batch).norm()) for batch in batches)
    moved = theta.double() + torch.rand(layout.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rounded_by = float((moved - moved.float().double()).norm()) * float(theta.norm() / moved.norm())
    enough, too_short = 15 * rounded_by / norm, 7 * rounded_by / norm
    (found,) = commutators(gradient_at, theta, batches, [(0, 1)], enough)
    (exact,) = commutators(gradient_at, theta.double(), batches, [(0, 1)], enough)
    assert found.defect == pytest.approx(exact.defect, rel=0.05)
    with pytest.raises(LostInRoundingError, match=r"a step of length .* take θ and gradients in float64"):
        list(commutators(gradient_at, theta, batches, [(0, 1)], too_short))
    (short,) = commutators(gradient_at, theta.double(), batches, [(0, 1)], too_short)
    assert short.defect == pytest.approx(exact.defect, rel=0.01)


def test_pairs_of_a_pool_are_those_of_the_pair_alone_in_any_order(network: tuple[nn.Module, ParamLayout]) -> None:
    model, layout = network
    theta, batches, calls = layout.flatten(model.state_dict()), drawn(5), []

    def gradient_at(at: torch.Tensor, *batch: torch.Tensor) -> torch.Tensor:
        calls.append(at)
        return network_gradient(model, layout, at, *batch)

    pairs = pooled_pairs(9)
    pool = list(commutators(gradient_at, theta, batches, pairs, ETA))
    assert len(calls) == 5 + 1 + 2 * 9  # the first gradient twice
    alone = [
        next(iter(commutators(gradient_at, theta, [batches[i], batches[j]], [(0, 1)], ETA))) for i, j in reversed(pairs)
    ]
    for found, expected in zip(pool, reversed(alone), strict=True):
        assert torch.equal(found.delta, expected.delta)
        assert found.defect == expected.defect


@given(st.integers(1, 60))
def test_a_pool_has_different_pairs_of_the_fewest_batches(draws: int) -> None:
    pairs = pooled_pairs(draws)
    assert len({frozenset(pair) for pair in pairs}) == draws
    n_batches = 1 + max(max(pair) for pair in pairs)
    assert (n_batches - 1) * (n_batches - 2) / 2 < draws <= n_batches * (n_batches - 1) / 2
    assert {index for pair in pairs for index in pair} == set(range(n_batches))


@pytest.mark.parametrize(
    ("pairs", "eta", "message"),
    [
        ([(0, 1)], 0.0, "step size must be positive and finite, got 0"),
        ([(0, 1)], -1.0, "step size must be positive and finite, got -1"),
        ([(1, 1)], ETA, r"must name two of 2 batches, from 0, got \(1, 1\)"),
        ([(0, 2)], ETA, r"must name two of 2 batches, from 0, got \(0, 2\)"),
        ([(-1, 1)], ETA, r"must name two of 2 batches, from 0, got \(-1, 1\)"),
    ],
)
def test_impossible_pairs_and_steps_are_refused(pairs: list[tuple[int, int]], eta: float, message: str) -> None:
    batch = [symmetric(0), normal(SIZE, seed=1)]
    with pytest.raises(ValueError, match=message):
        list(commutators(quadratic_gradient, normal(SIZE), [batch, batch], pairs, eta))


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (
            torch.ones(SIZE - 1).double(),
            r"batch 0: expected a gradient of shape \(12,\) and torch.float64, got \(11,\)",
        ),
        (torch.ones(SIZE), r"batch 0: expected a gradient of .*float64, got \(12,\) and torch.float32"),
        (torch.full((SIZE,), math.inf).double(), "batch 0: the gradient is not finite"),
        (torch.zeros(SIZE).double(), "batch 0: the gradient is zero"),
    ],
)
def test_gradients_that_are_none_are_refused(gradient: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(commutators(lambda theta: gradient, normal(SIZE), [[], []], [(0, 1)], ETA))


def test_the_execution_basis_is_the_components_of_each_block_in_its_place() -> None:
    layout = ParamLayout(("bias", "in_proj_weight", "out"), ((7,), (30, 3), (40,)))
    positions = normal(10, layout.size).cumsum(0).float().numpy()
    chosen = blocks(layout, ["in_proj_weight", "out"], {"in_proj_weight": ("query", "key", "value")})
    basis = execution_basis(positions, chosen)
    assert basis.shape == (8, layout.size)
    torch.testing.assert_close(basis @ basis.T, torch.eye(8), atol=1e-5, rtol=0)
    assert basis[:, :7].count_nonzero() == 0
    embedded = np.zeros((8, layout.size))
    for index, block in enumerate(chosen.values()):
        embedded[2 * index : 2 * index + 2, block] = trajectory_pca(positions[:, block])[0][:2]
    np.testing.assert_allclose(principal_cosines(basis.double().numpy(), embedded), 1, atol=1e-5)


def test_a_block_that_spans_too_little_is_named() -> None:
    positions = normal(5, 20).numpy()
    positions[:, 10:] = np.arange(5)[:, None]
    with pytest.raises(ValueError, match=r"block 'line': .*determine 1 of rank = 2 directions"):
        execution_basis(positions, {"line": slice(10, 20)})
    with pytest.raises(ValueError, match=r"block 'short': .*at least 3 checkpoints, got 2"):
        execution_basis(positions[:2], {"short": slice(0, 10)})


def test_blocks_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="blocks 'first' and 'second' overlap"):
        execution_basis(normal(5, 20).numpy(), {"second": slice(9, 20), "first": slice(0, 10)})


def test_a_planted_direction_lies_inside_outside_or_between() -> None:
    basis = random_basis(4, 200, generator(0, "basis")).double()
    basis = torch.linalg.qr(basis.T)[0].T
    inside = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64) @ basis
    outside = normal(200)
    outside = outside - (basis @ outside) @ basis
    mixed = 3 * inside / inside.norm() + 4 * outside / outside.norm()
    parts = decompose(torch.stack([inside, outside, mixed]), basis)
    np.testing.assert_allclose(parts.share, [1, 0, 0.6], atol=1e-12)
    np.testing.assert_allclose(parts.rho, [0, 1, 0.8], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_the_parts_add_up_and_know_no_scale_or_order(rank: int, seed: int, scale: float) -> None:
    basis, vectors = random_basis(rank, 80, generator(seed, "basis")), normal(5, 80, seed=seed).float()
    parts = decompose(vectors, basis)
    np.testing.assert_allclose(parts.share**2 + parts.rho**2, 1, atol=1e-5)
    flipped = decompose(-scale * vectors.flip(0), basis.flip(0))
    np.testing.assert_allclose(flipped.share.flip(0), parts.share, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("rank", "size"), [(1, 30), (3, 30), (16, 200), (30, 30)])
def test_the_mean_random_share_is_known(rank: int, size: int) -> None:
    vectors, drawing = normal(1, size).float(), generator(0, "random subspaces")
    shares = torch.cat([decompose(vectors, random_basis(rank, size, drawing)).share for _ in range(1500)])
    margin = 4 * float(shares.std()) / math.sqrt(1500) + 1e-5
    assert expected_random_share(rank, size) == pytest.approx(float(shares.mean()), abs=margin)


def test_the_random_shares_of_the_paper() -> None:
    assert expected_random_share(1, 290_401) == pytest.approx(math.sqrt(2 / (math.pi * 290_401)), rel=1e-5)
    assert expected_random_share(16, 290_401) == pytest.approx(math.sqrt(16 / 290_401), rel=0.02)
    for rank in (0, 6):
        with pytest.raises(ValueError, match=f"rank must be between 1 and the dimension 5, got {rank}"):
            expected_random_share(rank, 5)


def test_vectors_without_direction_and_skewed_bases_are_refused() -> None:
    basis = random_basis(2, 10, generator(0, "basis"))
    with pytest.raises(ValueError, match="vector 1 has norm 0"):
        decompose(torch.stack([torch.ones(10), torch.zeros(10)]), basis)
    with pytest.raises(ValueError, match="expected orthonormal rows, got norms from 2"):
        decompose(torch.ones(1, 10), 2 * basis)
    for step, vector in ((torch.zeros(10), torch.ones(10)), (torch.ones(10), torch.zeros(10))):
        with pytest.raises(ValueError, match="has norm 0"):
            alignment(step, vector[None])


def test_alignment_is_the_mean_absolute_cosine() -> None:
    step = torch.tensor([2.0, 0.0, 0.0])
    vectors = torch.tensor([[-5.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 4.0, 0.0], [1.0, 0.0, -1.0]])
    assert alignment(step, vectors) == pytest.approx((1 + 0 + 0.6 + math.sqrt(0.5)) / 4)


def test_alignment_of_unrelated_directions_is_that_of_chance() -> None:
    vectors = normal(4000, 500, seed=1).float()
    assert alignment(normal(500).float(), vectors) == pytest.approx(expected_random_share(1, 500), rel=0.05)
