from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sedlib.base.long_rows.long_sums
from sedlib.bases import UndeterminedBasisError, directions, rolling_bases
from sedlib.products import diagonals, gram, gram_band
from sedlib.readings import orthonormality, spectral_gaps, successive_overlaps
from sedlib.selftest.oracles import dense_svd_basis, principal_cosines


def random_rows(n_rows: int, n_params: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_rows, n_params)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_bases_from_the_gram_matrix_equal_dense_svd(data: st.DataObject) -> None:
    window = data.draw(st.integers(1, 8))
    rank = data.draw(st.integers(1, window))
    n_rows = data.draw(st.integers(window, 14))
    rows = random_rows(n_rows, 50, data.draw(st.integers(0, 1000)))
    bases = rolling_bases(gram_band(rows, data.draw(st.integers(window - 1, 20))), window, rank)
    assert bases.window_end.tolist() == list(range(window - 1, n_rows))
    for index, end in enumerate(bases.window_end.tolist()):
        expected, singular_values = dense_svd_basis(rows, end, window, rank)
        np.testing.assert_allclose(bases.singular_values[index], singular_values, rtol=1e-6)
        found = directions(rows, bases, index).numpy()
        np.testing.assert_allclose(np.abs((found * expected).sum(1)), 1, atol=1e-5)  # equal up to sign
        np.testing.assert_allclose(found @ found.T, np.eye(rank), atol=1e-5)


def test_gram_streamed_in_blocks_equals_the_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(6, 1000)
    monkeypatch.setattr(sedlib.base.long_rows.long_sums, "BLOCK_BYTES", 6 * 8 * 64)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        stored = file.create_dataset("rows", data=rows, chunks=(1, 100))
        np.testing.assert_allclose(gram(stored), rows.astype(np.float64) @ rows.T.astype(np.float64), rtol=1e-13)
        band = gram_band(stored, 4)
        np.testing.assert_allclose(band, diagonals(gram(rows), 4), rtol=1e-13)
        bases = rolling_bases(band, 4, 2)
        assert torch.equal(directions(stored, bases, 1), directions(rows, bases, 1))


def test_a_stream_without_rows_is_too_short() -> None:
    nothing = np.empty((0, 5), np.float32)
    assert gram(nothing).shape == (0, 0)
    empty = gram_band(nothing, 1)
    assert empty.shape == (0, 2)
    with pytest.raises(ValueError, match="a window of 1 rows is longer than the stream of 0"):
        rolling_bases(empty, 1, 1)


def test_a_band_holds_the_products_of_neighbours_and_nothing_past_the_last_row() -> None:
    rows = random_rows(50, 30).astype(np.float64)
    for reach in (0, 1, 7, 60):
        band = gram_band(rows, reach).numpy()
        expected = [[rows[i] @ rows[i + j] if i + j < 50 else 0 for j in range(reach + 1)] for i in range(50)]
        np.testing.assert_allclose(band, expected, rtol=1e-12, atol=1e-12)


def test_a_band_that_does_not_reach_is_refused() -> None:
    band = gram_band(random_rows(9, 30), 4)
    with pytest.raises(ValueError, match="windows of 6 rows need a band of reach 5, got 4"):
        rolling_bases(band, 6, 2)
    with pytest.raises(ValueError, match="windows of 5 rows need a band of reach 5, got 4"):
        successive_overlaps(band, rolling_bases(band, 5, 2))


def test_gram_accumulates_in_float64() -> None:
    rows = np.full((1, 2**20), 1e-3, dtype=np.float32)
    assert gram(rows)[0, 0].item() == pytest.approx(2**20 * float(np.float32(1e-3)) ** 2, rel=1e-12)


def test_a_planted_direction_is_found() -> None:
    rng = np.random.default_rng(1)
    planted = rng.standard_normal(400)
    planted /= np.linalg.norm(planted)
    rows = (10 * rng.standard_normal((12, 1)) * planted + 0.01 * rng.standard_normal((12, 400))).astype(np.float32)
    bases = rolling_bases(gram_band(rows, 6), 6, 1)
    for index in range(len(bases.window_end)):
        assert abs(directions(rows, bases, index).numpy()[0] @ planted) > 0.999


def test_window_of_one_is_the_normalised_row() -> None:
    rows = random_rows(4, 30)
    bases = rolling_bases(gram_band(rows, 0), 1, 1)
    for index, row in enumerate(rows):
        np.testing.assert_allclose(directions(rows, bases, index)[0], row / np.linalg.norm(row), atol=1e-6)


def test_sign_of_a_direction_is_fixed() -> None:
    band = gram_band(random_rows(10, 40), 4)
    coefficients = rolling_bases(band, 5, 3).coefficients
    assert (coefficients.gather(-1, coefficients.abs().argmax(-1, keepdim=True)) > 0).all()


@pytest.mark.parametrize(
    ("window", "rank", "message"),
    [
        (11, 3, "a window of 11 rows is longer than the stream of 10"),
        (3, 4, "rank must be between 1 and window = 3, got 4"),
        (3, 0, "rank must be between 1 and window = 3, got 0"),
    ],
)
def test_impossible_windows_are_refused(window: int, rank: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rolling_bases(gram_band(random_rows(10, 20), 11), window, rank)


def test_a_stream_without_a_determined_basis_is_refused() -> None:
    rows = random_rows(1, 20).repeat(6, axis=0)
    with pytest.raises(UndeterminedBasisError, match="none of 4 windows determines a basis; rows 0 to 2") as caught:
        rolling_bases(gram_band(rows, 3), 3, 2)
    assert (caught.value.first, caught.value.last) == (0, 2)
    with pytest.raises(ValueError, match="determine 0 of rank = 1"):
        rolling_bases(gram_band(np.zeros((3, 5), dtype=np.float32), 2), 2, 1)


def test_gaps_have_their_three_meanings() -> None:
    gaps = spectral_gaps(torch.tensor([[8.0, 6.0, 2.0, 1.0], [5.0, 4.0, 4.0, 0.0]], dtype=torch.float64))
    assert gaps.k_star.tolist() == [2, 3]
    assert gaps.ratio23.tolist() == [3, 1]
    assert gaps.g23.tolist() == [32, 0]
    with pytest.raises(ValueError, match="at least 3 rows, got 2"):
        spectral_gaps(torch.ones(1, 2, dtype=torch.float64))


def test_overlap_of_successive_bases_is_the_mean_principal_cosine() -> None:
    rows = random_rows(9, 30)
    band = gram_band(rows, 5)
    bases = rolling_bases(band, 5, 2)
    overlaps = successive_overlaps(band, bases)
    assert len(overlaps) == 4
    for index, overlap in enumerate(overlaps.tolist()):
        cosines = principal_cosines(directions(rows, bases, index).numpy(), directions(rows, bases, index + 1).numpy())
        assert overlap == pytest.approx(cosines.mean(), abs=1e-5)


@pytest.mark.parametrize("share", [1.0, 1e-3, 1e-5, 3e-7])
def test_directions_of_small_singular_values_are_as_orthonormal_as_they_can_be(share: float) -> None:
    """Their products are off by rounding over the square of their share, which is no sign of other rows."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((30, 400)) * np.where(np.arange(30) % 5 == 0, 1, share)[:, None]
    band = gram_band(rows, reach=5)
    bases = rolling_bases(band, window=5, rank=3, rows=torch.float64, size=400)
    assert orthonormality(band, bases) < 1e-13
    assert directions(rows, bases, 7).shape == (3, 400)
    if share > 1e-6:  # below, rounding hides what is wrong
        wrong = replace(bases, coefficients=bases.coefficients * torch.tensor([1.0, 1.0, 2.0]).double()[:, None])
        assert orthonormality(band, wrong) > 1e-12
        with pytest.raises(ValueError, match=r"not 1: the bases were computed from other rows"):
            directions(rows, wrong, 7)
