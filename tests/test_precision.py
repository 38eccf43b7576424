"""The bound on a direction's error: never less than the error, seldom much more, and what follows from it.

Rows are made of known singular values and directions in float64, and rounded.
"""

import math

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sedlib.base.precision import LARGEST_ERROR, eigenvector_error_bound, error_bound
from sedlib.bases import RollingBases, UndeterminedBasisError, directions, rolling_bases
from sedlib.fisher import gradient_basis
from sedlib.products import gram, gram_band
from sedlib.projection import RollingHistory, orthonormal
from sedlib.readings import orthonormality, spectral_gaps, spectral_residual, successive_overlaps
from sedlib.trajectory import principal_components

SIZE = 500


def orthogonal(n_rows: int, size: int, seed: int) -> Tensor:
    drawn = torch.randn(size, n_rows, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn)[0].T


def made(singular_values: list[float], seed: int = 0, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Rows with these singular values, and their right singular vectors."""
    count = len(singular_values)
    left, right = orthogonal(count, count, seed), orthogonal(count, size, seed + 1)
    return left @ (torch.tensor(singular_values).double()[:, None] * right), right


def error(found: Tensor, size: float, singular_values: list[float], right: Tensor) -> float:
    """Part of a direction outside of those whose singular values are within a factor of two of its own."""
    near = [size / 2 < value < 2 * size for value in singular_values]
    inside = right[torch.tensor(near)]
    found = found.double() / found.double().norm()
    return float((found - inside.T @ (inside @ found)).norm())


def basis_of(rows: Tensor, rank: int, dtype: torch.dtype) -> tuple[RollingBases, Tensor]:
    rounded = rows.to(dtype)
    bases = rolling_bases(gram_band(rounded, len(rows)), len(rows), rank, dtype)
    return bases, directions(rounded, bases, 0)


EXPONENTS = {torch.float64: 7.0, torch.float32: 6.0, torch.float16: 2.0, torch.bfloat16: 1.1}


@pytest.mark.parametrize("dtype", EXPONENTS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_direction_is_not_further_off_than_its_bound(dtype: torch.dtype, data: st.DataObject) -> None:
    exponents = data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=9).map(sorted))
    sizes = [10 ** (-EXPONENTS[dtype] * exponent) for exponent in (0.0, *exponents)]
    rows, right = made(sizes, seed=data.draw(st.integers(0, 1000)))
    rounded = rows.to(dtype)
    values = torch.linalg.eigvalsh(gram(rounded)).clamp(min=0).sqrt().flip(0)
    rank = max(1, int((error_bound(values, dtype) <= LARGEST_ERROR).sum()))
    bases, found = basis_of(rows, rank, dtype)
    for direction, size, bound in zip(
        found, bases.singular_values[0].tolist(), bases.error_bound[0].tolist(), strict=False
    ):
        assert error(direction, size, sizes, right) <= bound + 1e-6  # directions are float32


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 2e-6), (torch.float16, 1e-2), (torch.bfloat16, 0.1)])
def test_the_bound_is_within_a_factor_of_fifty_where_rounding_of_rows_rules(dtype: torch.dtype, share: float) -> None:
    sizes = [1.0, math.sqrt(share), share]
    rows, right = made(sizes, size=20_000)
    bases, found = basis_of(rows, 3, dtype)
    assert float(bases.error_bound[0, 2]) < 50 * error(found[2], share, sizes, right)


@pytest.mark.parametrize("share", [2e-7, 5e-7, 1e-6])
def test_float32_rows_near_their_rounding_are_refused(share: float) -> None:
    rows, _ = made([1.0, math.sqrt(share), share])
    with pytest.raises(UndeterminedBasisError, match="rows 0 to 2 determine 2 of rank = 3 directions"):
        basis_of(rows, 3, torch.float32)


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 2e-6), (torch.float64, 1e-6), (torch.float16, 0.011)])
def test_rows_that_are_accurate_enough_are_taken(dtype: torch.dtype, share: float) -> None:
    sizes = [1.0, math.sqrt(share), share]
    rows, right = made(sizes)
    _, found = basis_of(rows, 3, dtype)
    assert abs(float(found[2].double() @ right[2])) > 1 - LARGEST_ERROR**2 / 2


def test_the_size_says_more_of_short_rows_in_float64() -> None:
    rows, right = made([1.0, 1e-3, 3e-7])
    with pytest.raises(UndeterminedBasisError):
        basis_of(rows, 3, torch.float64)
    bases = rolling_bases(gram_band(rows, 3), 3, 3, torch.float64, size=SIZE)
    assert abs(float(directions(rows, bases, 0)[2].double() @ right[2])) > 0.999


def near_dependent_stream() -> Tensor:
    """Rows 4, 5 and 6 are equal but for their rounding."""
    rows = torch.randn(12, 60, generator=torch.Generator().manual_seed(0))
    rows[5:7] = rows[4] * (1 + 1e-7 * torch.randn(2, 60, generator=torch.Generator().manual_seed(1)))
    return rows


def test_an_undetermined_window_is_masked_and_the_others_are_as_without_it() -> None:
    rows = near_dependent_stream()
    band = gram_band(rows, 4)
    bases = rolling_bases(band, 3, 2)
    assert (~bases.determined).nonzero().flatten().tolist() == [4]
    assert bases.reason(3) is None
    assert str(bases.reason(4)).startswith("rows 4 to 6 determine 1 of rank = 2 directions, the others are rounding (")
    assert not bases.coefficients[4].any()
    assert bases.singular_values[4, 0] > 1
    with pytest.raises(ValueError, match="basis 4: rows 4 to 6 determine 1 of rank = 2"):
        directions(rows, bases, 4)
    after = rolling_bases(gram_band(rows[5:], 4), 3, 2)
    torch.testing.assert_close(bases.coefficients[5:], after.coefficients)


def test_readings_leave_a_masked_window_out() -> None:
    band = gram_band(near_dependent_stream(), 4)
    bases = rolling_bases(band, 3, 2)
    assert successive_overlaps(band, bases).isnan().nonzero().flatten().tolist() == [3, 4]
    assert orthonormality(band, bases) < 1e-14
    assert spectral_residual(band, bases) < 1e-14
    third = error_bound(bases.singular_values)[:, 2] <= LARGEST_ERROR
    gaps = spectral_gaps(bases.singular_values, third)
    assert gaps.ratio23.isnan().nonzero().flatten().tolist() == [3, 4, 5]
    assert gaps.k_star[~third].tolist() == [0, 0, 0]


def test_zero_rows_are_masked() -> None:
    rows = near_dependent_stream()
    rows[8:11] = 0
    band = gram_band(rows, 4)
    bases = rolling_bases(band, 3, 1)
    assert (~bases.determined).nonzero().flatten().tolist() == [8]
    assert spectral_residual(band, bases) < 1e-14
    assert str(bases.reason(8)).startswith("rows 8 to 10 determine 0 of rank = 1 directions")


def test_rows_that_lost_their_mean_are_judged_by_what_they_were_rounded_at() -> None:
    """Differences of 1e-6 about a mean of 1: their ratios are harmless, and their rounding is not."""
    spread, _ = made([1e-6, 5e-7, 2e-7], size=2_000)
    rows = (spread + torch.ones(2_000).double() / math.sqrt(2_000)).float()
    with pytest.raises(ValueError, match="3 centred gradients determine 0 of rank = 1"):
        gradient_basis(rows, 1)
    with pytest.raises(ValueError, match="rows 0 to 2 determine 0 of rank = 1"):
        principal_components(gram(rows), 1)
    assert gradient_basis(1e3 * spread + 1, 1, rows=torch.float64).error_bound[0] < LARGEST_ERROR


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradients_in_sixteen_bits_give_directions_in_float32(dtype: torch.dtype) -> None:
    rows, _ = made([4.0, 3.0, 2.0, 1.0])
    exact, rounded = gradient_basis(rows, 2), gradient_basis(rows.to(dtype), 2)
    assert rounded.directions.dtype == torch.float32
    cosines = torch.linalg.svdvals(exact.directions @ rounded.directions.double().T)
    assert cosines.min() > 0.999
    assert rounded.error_bound[0] > 100 * exact.error_bound[0]


@pytest.mark.parametrize("share", [1e-2, 1e-4, 3e-6])
def test_a_history_finds_what_rolling_bases_find(share: float) -> None:
    sizes = [1.0, math.sqrt(share), share]
    rows, right = made(sizes)
    history = RollingHistory(3, SIZE)
    for row in rows.float():
        history.append(row)
    found = history.basis(3)
    assert abs(float(found[2].double() @ right[2])) > 1 - LARGEST_ERROR**2 / 2
    torch.testing.assert_close(history.error_bound, error_bound(history.singular_values, size=SIZE))


def test_a_history_with_products_in_float32_says_what_they_cost() -> None:
    rows, _ = made([1.0, 0.5, 1e-3], size=2_000)
    exact, rounded = RollingHistory(3, 2_000), RollingHistory(3, 2_000, products=torch.float32)
    for row in rows.float():
        exact.append(row)
        rounded.append(row)
    assert exact.basis(3).shape == (3, 2_000)
    with pytest.raises(ValueError, match="the last 3 rows determine 2 of rank = 3 directions"):
        rounded.basis(3)
    assert rounded.basis(3, allow_fewer=True).shape == (2, 2_000)
    assert rounded.basis(3, smallest_share=1e-4).shape == (3, 2_000)


def test_a_history_refuses_a_row_of_another_size_and_names_one_that_is_not_finite() -> None:
    history = RollingHistory(2, 5)
    with pytest.raises(ValueError, match=r"row: expected the shape \(5,\), got \(1,\)"):
        history.append(torch.ones(1))
    with pytest.raises(ValueError, match=r"row: every value must be finite, got nan at \[3\]"):
        history.append(torch.tensor([0.0, 0.0, 0.0, math.nan, 0.0]))


@pytest.mark.parametrize(("share", "size"), [(1e-5, 300), (1e-2, 3_000)])
def test_orthonormal_rows_span_what_steep_or_long_rows_span(
    share: float, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sedlib.projection.SUMMED", 1_000)
    rows, right = made([1.0, math.sqrt(share), share], size=size)
    basis = orthonormal(rows.float())
    torch.testing.assert_close(basis @ basis.T, torch.eye(3), atol=1e-6, rtol=0)
    assert torch.linalg.svdvals(basis.double() @ right.T).min() > 1 - LARGEST_ERROR**2 / 2
    with pytest.raises(ValueError, match="3 rows determine 2 of rank = 3 directions"):
        orthonormal(made([1.0, 0.5, 3e-7])[0].float())


def test_rows_may_be_tensors_of_sixteen_bits_and_must_be_real() -> None:
    rows = made([2.0, 1.0])[0].to(torch.bfloat16)
    torch.testing.assert_close(gram(rows), rows.double() @ rows.double().T)
    with pytest.raises(ValueError, match=r"rows: expected real numbers, got torch\.complex64"):
        gram(torch.ones(2, 3, dtype=torch.complex64))


def test_a_row_that_is_not_finite_is_named_with_its_column(tmp_path: object) -> None:
    rows = made([2.0, 1.0, 0.5])[0].numpy()
    rows[1, 7] = np.inf
    for call in (gram, lambda rows: gram_band(rows, 1)):
        with pytest.raises(ValueError, match="rows: every value must be finite, got inf at row 1, column 7"):
            call(rows)
    with h5py.File(f"{tmp_path}/rows.h5", "w") as file:
        stored = file.create_dataset("rows", data=1e200 * np.ones((2, 3)))
        with pytest.raises(ValueError, match="rows: row 0 is so large that its square is not finite"):
            gram(stored)
    with pytest.raises(ValueError, match=r"gradients: every value must be finite, got inf at \[1, 7\]"):
        gradient_basis(torch.from_numpy(rows), 1)


def test_long_sums_stay_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of 4,096 equal terms are exact in float32, sums of four times as many of 1 + 2⁻¹² are not."""
    monkeypatch.setattr("sedlib.base.long_rows.long_sums.SUMMED", 4_096)
    history = RollingHistory(1, 2**20, products=torch.float32)
    history.append(torch.full((2**20,), 1 + 2.0**-11))
    assert float(history.singular_values[0]) ** 2 == pytest.approx(2**20 * (1 + 2.0**-11) ** 2, rel=3e-7)


def test_bounds_of_nothing_are_infinite() -> None:
    nothing = torch.zeros(2, dtype=torch.float64)
    assert error_bound(nothing).tolist() == [math.inf, math.inf]
    assert eigenvector_error_bound(nothing, torch.float64, 1e-6).tolist() == [math.inf, math.inf]
