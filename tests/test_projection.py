import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedlib.base.randomness import generator
from sedlib.projection import (
    RollingHistory,
    onto_basis,
    onto_coordinates,
    orthonormal,
    overlap,
    principal_angles,
    random_basis,
    random_coordinates,
    removing,
)
from sedlib.selftest.oracles import dense_svd_basis, principal_cosines


def vector(size: int, seed: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(5, 300), st.integers(0, 1000))
def test_projectors_are_orthonormal_idempotent_and_complementary(rank: int, size: int, seed: int) -> None:
    basis = random_basis(rank, size, generator(seed, "test"))
    torch.testing.assert_close(basis @ basis.T, torch.eye(rank), atol=1e-5, rtol=0)
    x = vector(size, seed)
    for projector in (onto_basis(basis), onto_coordinates(random_coordinates(rank, size, generator(seed, "test")))):
        kept, removed = projector(x), removing(projector)(x)
        torch.testing.assert_close(projector(kept), kept, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(kept + removed, x)
        assert abs(float(kept @ removed)) < 1e-4 * float(x @ x)
        assert float(projector(removed).norm()) < 1e-4 * float(x.norm())


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_rolling_history_is_the_svd_of_its_last_rows(data: st.DataObject) -> None:
    window = data.draw(st.integers(1, 6))
    rank = data.draw(st.integers(1, window))
    n_rows = data.draw(st.integers(window, 15))
    rows = np.random.default_rng(data.draw(st.integers(0, 1000))).standard_normal((n_rows, 40)).astype(np.float32)
    history = RollingHistory(window, 40)
    for end, row in enumerate(rows):
        history.append(torch.from_numpy(row))
        assert history.is_whole == (end >= window - 1)
        if history.is_whole:
            expected, _ = dense_svd_basis(rows, end, window, rank)
            found = history.basis(rank).numpy()
            np.testing.assert_allclose(np.abs((found * expected).sum(1)), 1, atol=1e-3)


def test_rows_that_span_less_are_refused_or_give_a_smaller_basis_where_that_is_allowed() -> None:
    history = RollingHistory(4, 30)
    plane = torch.stack([vector(30, 0), vector(30, 1)])
    for i in range(4):
        history.append((1 + i) * plane[0] + (i - 2) ** 2 * plane[1])
    with pytest.raises(ValueError, match="the last 4 rows determine 2 of rank = 3 directions"):
        history.basis(3)
    basis = history.basis(3, allow_fewer=True)
    assert basis.shape == (2, 30)
    torch.testing.assert_close(onto_basis(basis)(plane[0]), plane[0], atol=1e-4, rtol=1e-4)


def test_a_history_of_zeros_spans_nothing() -> None:
    history = RollingHistory(2, 5)
    for _ in range(2):
        history.append(torch.zeros(5))
    with pytest.raises(ValueError, match=r"determine 0 of rank = 1 directions.*\(singular values 0.0e\+00\)"):
        history.basis(1)
    assert history.basis(1, allow_fewer=True).shape == (0, 5)


def test_an_empty_or_short_history_has_no_basis() -> None:
    history = RollingHistory(3, 10)
    history.append(vector(10, 0))
    with pytest.raises(ValueError, match="holds 1 rows of a window of 3"):
        history.basis(1)
    for _ in range(2):
        history.append(vector(10, 1))
    with pytest.raises(ValueError, match="rank must be between 1 and window = 3, got 4"):
        history.basis(4)


@pytest.mark.parametrize("rank", [0, 3, 50])
def test_the_share_that_passes_a_random_subspace_is_the_root_of_its_rank(rank: int) -> None:
    size, shares = 2000, []
    for seed in range(20):
        x = vector(size, seed)
        shares.append(float(onto_basis(random_basis(rank, size, generator(seed, "t")))(x).norm() / x.norm()))
    assert np.sqrt(np.mean(np.square(shares))) == pytest.approx(math.sqrt(rank / size), rel=0.25)


def test_coordinates_keep_their_bits() -> None:
    x, kept = vector(100, 0), random_coordinates(30, 100, generator(0, "t"))
    part = onto_coordinates(kept)(x)
    assert int(kept.sum()) == 30
    assert torch.equal(part[kept], x[kept])
    assert part[~kept].count_nonzero() == 0


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="rank must be between 0 and the dimension 5, got 6"):
        random_basis(6, 5, generator(0, "t"))
    with pytest.raises(ValueError, match="coordinates must be between 0 and the dimension 5, got 6"):
        random_coordinates(6, 5, generator(0, "t"))
    with pytest.raises(ValueError, match="2 rows determine 0 of rank = 2 directions"):
        orthonormal(torch.zeros(2, 5))


def test_overlap_is_the_mean_principal_cosine() -> None:
    first, second = (random_basis(3, 20, generator(seed, "t")) for seed in range(2))
    assert float(overlap(first, second)) == pytest.approx(
        principal_cosines(first.numpy(), second.numpy()).mean(), abs=1e-5
    )
    assert float(overlap(first, orthonormal(torch.flip(first, [0])))) == pytest.approx(1, abs=1e-5)


def test_principal_angles_of_planes_that_share_an_axis() -> None:
    axes = torch.eye(4)
    turned = torch.stack([axes[0], math.cos(math.pi / 6) * axes[1] + math.sin(math.pi / 6) * axes[2]])
    torch.testing.assert_close(
        principal_angles(axes[:2], turned), torch.tensor([0.0, 30.0]).double(), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(principal_angles(axes[:1], axes[2:]), torch.tensor([90.0]).double())


def test_a_basis_makes_no_angle_with_itself_though_rounding_lifts_its_cosines_over_one() -> None:
    for seed in range(20):
        basis = random_basis(3, 50, torch.Generator().manual_seed(seed))
        assert principal_angles(basis, basis).max() < 0.1
