import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

import sedlib.base.long_rows.long_sums
from sedlib.base.randomness import generator
from sedlib.bases import directions
from sedlib.blocks import blocks
from sedlib.positions import Positions
from sedlib.products import gram
from sedlib.selftest.oracles import trajectory_pca
from sedlib.trajectory import (
    Displacements,
    expanding_pc1_percent,
    pc1_percent,
    principal_components,
    random_walk,
    random_walk_null,
    step_norms,
    z_score,
)
from sedlib.vectors import ParamLayout


def walk(steps: int, size: int, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    """Positions far from the origin, as parameters are."""
    rng = np.random.default_rng(seed)
    return (10 * rng.standard_normal(size) + rng.standard_normal((steps, size)).cumsum(0)).astype(dtype)


def whole(positions: np.ndarray) -> Displacements:
    return Displacements(positions, slice(0, positions.shape[1]))


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 12), st.integers(1, 3), st.integers(20, 60), st.integers(0, 1000))
def test_components_from_the_gram_matrix_equal_dense_svd(steps: int, rank: int, size: int, seed: int) -> None:
    positions = walk(steps, size, seed)
    expected, singular_values = trajectory_pca(positions)
    products = gram(whole(positions))
    components = principal_components(products, rank)
    np.testing.assert_allclose(components.singular_values[0, : steps - 1], singular_values[: steps - 1], rtol=1e-6)
    found = directions(whole(positions), components, 0).numpy()
    np.testing.assert_allclose(np.abs((found * expected[:rank]).sum(1)), 1, atol=1e-5)
    assert pc1_percent(products) == pytest.approx(100 * singular_values[0] ** 2 / (singular_values**2).sum())


def test_directions_come_from_positions_and_from_displacements_alike() -> None:
    positions = walk(7, 30, dtype=np.float64)
    components = principal_components(gram(whole(positions)), 2)
    torch.testing.assert_close(directions(positions, components, 0), directions(whole(positions), components, 0))


def test_components_of_a_trajectory_that_barely_moves_are_not_lost_in_rounding() -> None:
    """Displacements of 1e-4 at parameters of 1e3: the Gram matrix of the positions would have no digit of them left."""
    positions = 1e3 + 1e-4 * walk(8, 40, dtype=np.float64)
    _, singular_values = trajectory_pca(positions - positions[0])
    found = principal_components(gram(whole(positions)), 1).singular_values[0]
    np.testing.assert_allclose(found[:7], singular_values[:7], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_pc1_is_free_of_rotation_scale_and_origin(seed: int, scale: float) -> None:
    positions = walk(9, 20, seed, np.float64)
    rotation = np.linalg.qr(np.random.default_rng(seed + 1).standard_normal((20, 20)))[0]
    moved = scale * positions @ rotation + 3
    assert pc1_percent(gram(whole(moved))) == pytest.approx(pc1_percent(gram(whole(positions))), rel=1e-7)


def test_a_straight_line_is_one_component_and_a_planted_direction_is_found() -> None:
    rng = np.random.default_rng(1)
    planted = rng.standard_normal(300)
    planted /= np.linalg.norm(planted)
    line = np.linspace(0, 3, 12)[:, None] * planted
    assert pc1_percent(gram(whole(line))) == pytest.approx(100)
    noisy = line + 1e-3 * rng.standard_normal((12, 300))
    assert abs(directions(whole(noisy), principal_components(gram(whole(noisy)), 1), 0)[0].numpy() @ planted) > 0.999


def test_an_expanding_window_is_the_pca_of_the_first_checkpoints() -> None:
    positions = walk(10, 30)
    found = expanding_pc1_percent(gram(whole(positions)))
    assert len(found) == 8
    for size, percent in enumerate(found.tolist(), start=3):
        _, singular_values = trajectory_pca(positions[:size])
        assert percent == pytest.approx(100 * singular_values[0] ** 2 / (singular_values**2).sum())


def test_step_norms_are_the_distances_between_checkpoints() -> None:
    positions = walk(10, 30)
    expected = np.linalg.norm(np.diff(positions.astype(np.float64), axis=0), axis=1)
    np.testing.assert_allclose(step_norms(gram(whole(positions))), expected, rtol=1e-9)


def test_a_trajectory_in_a_file_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"norm": walk(6, 3), "in_proj_weight": walk(6, 24).reshape(6, 6, 4)}
    layout = ParamLayout(("norm", "in_proj_weight"), ((3,), (6, 4)))
    block = blocks(layout, ["in_proj_weight"])["in_proj_weight"]
    flat = states["in_proj_weight"].reshape(6, -1)
    with h5py.File(tmp_path / "run.h5", "w") as file:
        for name, value in states.items():
            file[f"state/{name}"] = value
        rows = Displacements(Positions(file["state"], layout), block)
        monkeypatch.setattr(sedlib.base.long_rows.long_sums, "BLOCK_BYTES", 8 * 6 * 7)
        read: list[int] = []
        original = Positions.__getitem__

        def counted(positions: Positions, key: tuple[slice, slice]) -> np.ndarray:
            read.append(key[1].stop - key[1].start)
            return original(positions, key)

        monkeypatch.setattr(Positions, "__getitem__", counted)
        products = gram(rows)
        assert max(read) == 7
        np.testing.assert_allclose(products, gram(whole(flat)), rtol=1e-12, atol=1e-12)
        components = principal_components(products, 2)
        expected, _ = trajectory_pca(flat)
        found = directions(rows, components, 0).numpy()
        np.testing.assert_allclose(np.abs((found * expected[:2]).sum(1)), 1, atol=1e-5)


def test_too_few_checkpoints_and_no_motion_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 checkpoints, got 2"):
        whole(walk(2, 5))
    two = torch.ones(2, 2, dtype=torch.float64)
    for compute in (pc1_percent, expanding_pc1_percent):
        with pytest.raises(ValueError, match="at least 3 checkpoints, got 2"):
            compute(two)
    still = gram(whole(np.full((4, 5), 2.0)))
    for compute in (pc1_percent, expanding_pc1_percent, lambda g: random_walk_null(g, 5, 2, generator(0, "t"))):
        with pytest.raises(ValueError, match=r"a block that does not move over . checkpoints"):
            compute(still)
    with pytest.raises(ValueError, match="determine 3 of rank = 4 directions"):
        principal_components(gram(whole(walk(4, 9))), 4)
    with pytest.raises(ValueError, match="columns 3 to 9 are no block of 5 parameters"):
        Displacements(walk(4, 5), slice(3, 9))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 1000))
def test_a_random_walk_has_the_step_norms(count: int, size: int, seed: int) -> None:
    lengths = torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = random_walk(lengths, size, generator(seed, "walk"))
    assert found.shape == (count + 1, min(count, size))
    assert found[0].count_nonzero() == 0
    torch.testing.assert_close(found.diff(dim=0).norm(dim=1), lengths)


@pytest.mark.parametrize("size", [2, 8, 40])
def test_random_walks_are_distributed_as_walks_in_all_dimensions(size: int) -> None:
    """Against steps drawn in ``size`` dimensions: PC1 %, and the cosine of the last two steps."""
    lengths, count = torch.tensor([1.0, 3.0, 0.5, 2.0, 1.0, 1.5, 2.5], dtype=torch.float64), 1000
    drawn, explicit = generator(0, "walk"), torch.Generator().manual_seed(1)
    found, expected = [], []
    for _ in range(count):
        steps = torch.randn(len(lengths), size, generator=explicit, dtype=torch.float64)
        steps *= (lengths / steps.norm(dim=1))[:, None]
        rows = torch.cat([torch.zeros(1, size, dtype=torch.float64), steps.cumsum(0)])
        expected.append((pc1_percent(rows @ rows.T), float(steps[-1] @ steps[-2])))
        rows = random_walk(lengths, size, drawn)
        steps = rows.diff(dim=0)
        found.append((pc1_percent(rows @ rows.T), float(steps[-1] @ steps[-2])))
    for statistic in range(2):
        assert ks_2samp(np.array(found)[:, statistic], np.array(expected)[:, statistic]).pvalue > 0.01


@pytest.mark.parametrize("size", [2, 5, 8, 20])
def test_two_steps_of_a_random_walk_have_a_known_mean_square_cosine(size: int) -> None:
    """1 / size, as of any two unit vectors of which one is uniform."""
    drawn, squares = generator(0, "walk"), []
    for _ in range(1000):
        steps = random_walk(torch.ones(7, dtype=torch.float64), size, drawn).diff(dim=0)
        squares += (steps @ steps.T)[*torch.triu_indices(7, 7, 1)].square().tolist()
    assert np.mean(squares) == pytest.approx(1 / size, rel=0.05)


def test_walks_of_equal_steps_in_many_dimensions_have_a_known_first_component() -> None:
    """The eigenvalues of a long walk's covariance fall as 1/k²: the first holds 6/π² of their sum."""
    rows = random_walk(torch.ones(150, dtype=torch.float64), 10**6, generator(0, "walk"))
    null = random_walk_null(rows @ rows.T, 10**6, 20, generator(1, "walk"))
    assert float(null.mean()) == pytest.approx(600 / math.pi**2, abs=0.5)
    assert float(null.std()) < 1


def test_the_null_is_seeded_and_a_line_is_far_above_it() -> None:
    line = gram(whole(np.arange(12.0)[:, None] * np.ones(50)))
    first, second = (random_walk_null(line, 50, 30, generator(3, "walk")) for _ in range(2))
    assert torch.equal(first, second)
    assert z_score(pc1_percent(line), first) > 5


def test_a_z_score_is_counted_in_standard_deviations() -> None:
    assert z_score(5.0, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)) == 3
    for null in ([1.0], [2.0, 2.0]):
        with pytest.raises(ValueError, match="at least two values that differ"):
            z_score(5.0, torch.tensor(null, dtype=torch.float64))
