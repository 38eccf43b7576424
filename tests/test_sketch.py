"""A sketch has the mean and the variance that its module states, and bases the errors that follow from them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import sedlib.sketches.sketch
from sedlib.bases import directions, rolling_bases
from sedlib.products import gram_band
from sedlib.readings import spectral_gaps
from sedlib.selftest.checks.sketch_checks import entry_by_entry
from sedlib.selftest.oracles import dense_svd_basis, principal_cosines
from sedlib.sketches.sketch import CountSketch
from sedlib.sketches.sketch_precision import buckets_for, sketch_errors
from sedlib.sketches.streamed import sketched_directions, streamed_directions

SIZES = torch.tensor([6.0, 4.0, 1.5, 1.0, 0.02], dtype=torch.float64)
WINDOW = len(SIZES)


def window_of(sizes: Tensor, size: int, seed: int = 0) -> Tensor:
    """Rows of these singular values, whose directions lie anywhere."""
    random = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(n, len(sizes), generator=random, dtype=torch.float64) for n in (len(sizes), size))
    return torch.linalg.qr(left)[0] * sizes @ torch.linalg.qr(right)[0].T


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 300), st.integers(0, 5), st.sampled_from([torch.float32, torch.bfloat16]))
def test_a_sketch_is_what_its_entries_give_one_by_one(buckets: int, size: int, seed: int, dtype: torch.dtype) -> None:
    row = torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(dtype)
    np.testing.assert_array_equal(CountSketch(buckets, seed)(row), entry_by_entry(row.double().numpy(), buckets, seed))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=6), st.integers(9, 90), st.integers(1, 400))
def test_parts_of_a_row_add_up_in_blocks_of_any_size(cuts: list[int], buckets: int, block: int) -> None:
    rows, sketch = torch.randn(2, 500).round(decimals=3), CountSketch(buckets)
    whole = sketch(rows)
    edges = [0, *sorted(cuts), 500]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sedlib.sketches.sketch, "BLOCK", block)
        assert torch.equal(sketch(rows), whole)
        assert torch.equal(torch.stack([sketch(row) for row in rows]), whole)
        parts = [sketch(rows[:, a:b], start=a) for a, b in pairwise(edges)]
    torch.testing.assert_close(sum(parts), whole, rtol=0, atol=1e-12)


def test_other_seeds_and_sizes_give_other_sketches_and_equal_ones_the_same() -> None:
    row = torch.randn(1000)
    first = CountSketch(50, seed=1)(row)
    assert torch.equal(CountSketch(50, seed=1)(row), first)
    assert not torch.equal(CountSketch(50, seed=2)(row), first)


def test_a_sketch_is_frozen_for_rows_that_were_kept() -> None:
    """Sketches on disk are compared with those of a later version."""
    expected = [-9.0, 1.0, -3.0, -8.0, -7.0]
    assert CountSketch(5, seed=7)(torch.arange(12.0)).tolist() == expected


def test_products_of_sketches_have_the_mean_and_the_variance_that_are_stated() -> None:
    buckets, draws = 40, 1500
    random = np.random.default_rng(0)
    rows = torch.from_numpy(random.standard_normal((2, 330)) + 0.4)
    rows[1, ::50] *= 8  # a few entries of the second hold most of it
    found = np.array([float(torch.prod(CountSketch(buckets, seed)(rows), 0).sum()) for seed in range(draws)])
    chunks = torch.nn.functional.pad(rows, (0, -330 % buckets)).view(2, -1, buckets)
    squares, products = chunks.square().sum(-1), chunks.prod(0).sum(-1)
    variance = squares.sum(1).prod() + products.sum() ** 2 - (squares.prod(0) + products**2).sum()
    variance /= buckets
    assert abs(found.mean() - float(products.sum())) < 4 * float(variance / draws) ** 0.5
    assert found.var() == pytest.approx(float(variance), rel=0.2)


def test_errors_of_singular_values_gaps_and_spans_are_those_of_first_order() -> None:
    rows, buckets, rank = window_of(SIZES, 8_000), 1_000, 2
    exact = dense_svd_basis(rows.numpy(), WINDOW - 1, WINDOW, rank)[0]
    sizes, sines = [], []
    for seed in range(120):
        bases = rolling_bases(gram_band(CountSketch(buckets, seed)(rows), WINDOW), WINDOW, rank)
        sizes.append(bases.singular_values[0])
        sines.append(rank - np.square(principal_cosines((bases.coefficients[0] @ rows).numpy(), exact)).sum())
    found, expected = torch.stack(sizes), sketch_errors(SIZES[None], buckets, rank)
    gaps, true = spectral_gaps(found), spectral_gaps(SIZES[None])
    assert (found / SIZES).std(0).numpy() == pytest.approx(expected.singular_value, rel=0.3)
    assert (found / SIZES).mean(0).numpy() == pytest.approx(1, abs=0.01)
    assert (gaps.ratio23 / true.ratio23).std() == pytest.approx(expected.ratio, rel=0.3)
    assert gaps.g23.std() == pytest.approx(float(expected.g23), rel=0.3)
    assert np.mean(sines) ** 0.5 == pytest.approx(float(expected.subspace), rel=0.3)
    assert (gaps.k_star == true.k_star).all()  # by how many standard errors:
    assert float(expected.k_star) > 10


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(0, 50))
def test_all_singular_values_are_right_to_one_factor(seed: int, rank: int, drawn: int) -> None:
    """Also small ones: between the extreme singular values of the sketched right singular vectors."""
    rows, sketch = window_of(SIZES, 3_000, seed), CountSketch(500, drawn)
    right = torch.linalg.svd(rows, full_matrices=False)[2]
    factors = torch.linalg.svdvals(sketch(right))
    shares = torch.linalg.svdvals(sketch(rows)) / SIZES
    assert factors[-1] * (1 - 1e-9) <= shares.min()
    assert shares.max() <= factors[0] * (1 + 1e-9)
    assert (factors - 1).abs().max() < 3 * (WINDOW / 500) ** 0.5


def test_the_buckets_for_an_error_bring_that_error_and_fewer_more() -> None:
    windows = torch.stack([SIZES, SIZES.sqrt()])
    for error in (0.3, 0.05, 0.01):
        enough = buckets_for(error, windows, rank=2, kept=3)
        for buckets, fits in ((enough, True), (enough - 1, False)):
            errors = sketch_errors(windows, buckets, 2, 3)
            assert (max(errors.ratio, float(errors.subspace.max())) <= error * (1 + 1e-9)) == fits


@settings(max_examples=30, deadline=None)
@given(st.integers(-100, 100), st.integers(1, 4))
def test_errors_do_not_depend_on_the_unit(power: int, rank: int) -> None:
    expected, found = (sketch_errors(SIZES[None] * unit, 900, rank) for unit in (1.0, 10.0**power))
    for name, times in (("g23", 100.0**power), ("k_star", 1.0), ("subspace", 1.0)):
        torch.testing.assert_close(getattr(found, name) / times, getattr(expected, name), rtol=1e-9, atol=0)


def test_numbers_of_numpy_count_columns_as_pythons_do(production: None) -> None:
    row = torch.randn(1000)
    assert torch.equal(CountSketch(np.uint8(200))(row), CountSketch(200)(row))  # type: ignore[arg-type]


def test_directions_of_true_rows_get_better_with_vectors_and_are_exact_with_all() -> None:
    rows = window_of(torch.tensor([5.0, 4.0, 3.0, 2.5, 2.0, 1.0]), 4_000)
    exact, values = dense_svd_basis(rows.numpy(), 5, 6, 2)
    sketch = CountSketch(400)
    sketches = sketch(rows)
    sines = []
    for kept in (2, 4, 6):
        bases = rolling_bases(gram_band(sketches, 6), 6, kept)
        found, sizes = sketched_directions(iter(rows), sketch, sketches, bases, 0, 2)
        np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-6)
        assert (sizes.numpy() <= values[:2] * (1 + 1e-6)).all()  # those of a projection are never too large
        sines.append(np.sqrt(1 - principal_cosines(found.double().numpy(), exact).min() ** 2))
        assert sines[-1] < 4 * float(sketch_errors(torch.from_numpy(values)[None], 400, 2, kept).subspace) + 1e-3
    assert sines[0] > sines[1] > sines[2]
    np.testing.assert_allclose(sizes, values[:2], rtol=1e-6)
    exactly = directions(rows.float(), rolling_bases(gram_band(rows, 6), 6, 2), 0)
    torch.testing.assert_close(found, exactly, rtol=0, atol=1e-5)  # in sign too


def test_rows_that_were_not_sketched_are_refused() -> None:
    rows, sketch = window_of(SIZES, 1_000), CountSketch(200)
    sketches = sketch(rows)
    bases = rolling_bases(gram_band(sketches, WINDOW), WINDOW, 3)
    wrong = rows.clone()
    wrong[2] *= 1.01
    with pytest.raises(ValueError, match=r"row 2 is not the one that was sketched: its sketch differs by 0.01 of its"):
        sketched_directions(wrong, sketch, sketches, bases, 0, 3)
    with pytest.raises(ValueError, match="row 0 is not the one that was sketched"):
        sketched_directions(rows, CountSketch(200, seed=1), sketches, bases, 0, 3)
    with pytest.raises(ValueError, match="expected the 5 rows of window 0, got 4"):
        sketched_directions(rows[:4], sketch, sketches, bases, 0, 3)
    with pytest.raises(ValueError, match="expected the 5 rows of window 0, got more"):
        sketched_directions([*rows, rows[0]], sketch, sketches, bases, 0, 3)
    with pytest.raises(ValueError, match="rank must be between 1 and the bases' 3, got 4"):
        sketched_directions(rows, sketch, sketches, bases, 0, 4)


def test_streamed_directions_are_those_of_rows_at_hand() -> None:
    rows = window_of(SIZES, 300).float()
    bases = rolling_bases(gram_band(rows, 3), 3, 2)
    for index in range(len(bases.window_end)):
        found = streamed_directions(iter(rows[index : index + 3]), bases, index)
        torch.testing.assert_close(found, directions(rows, bases, index), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="not 1: the bases were computed from other rows"):
        streamed_directions(iter(rows[1:4]), bases, 0)
    with pytest.raises(ValueError, match=r"row 1 of the window: every value must be finite, got nan"):
        streamed_directions([rows[0], rows[1] * torch.nan, rows[2]], bases, 0)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_streamed_directions_of_rows_past_float32_are_those_of_rows_at_hand(scale: float) -> None:
    rows = window_of(SIZES, 300) * scale
    bases = rolling_bases(gram_band(rows, 3), 3, 2, torch.float64)
    found = streamed_directions(rows[1:4], bases, 1)
    torch.testing.assert_close(found, directions(rows, bases, 1), rtol=0, atol=1e-6)


def test_directions_that_are_no_numbers_are_refused() -> None:
    """Bases of other rows whose products with these overflow."""
    bases = rolling_bases(gram_band(window_of(SIZES[:3] * 1e-30, 3), 2), 3, 1)
    signs = bases.coefficients[0, 0].sign() * torch.tensor([1, -1, 1])  # inf and -inf are added
    with pytest.raises(ValueError, match="not 1: the bases were computed from other rows"):
        streamed_directions([torch.full((3,), 1e30 * float(sign)).double() for sign in signs], bases, 0)


ROW = torch.ones(300)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.numpy(), r"row 1 of the window: expected a tensor \[params\], got a NumPy array"),
        (torch.zeros(1), r"row 1 of the window: expected .* 300 as before, got .* shape \(1,\)"),
        (torch.tensor(0.0), r"row 1 of the window: expected .* shape \(\)"),
        (ROW[:, None], r"row 1 of the window: expected .* shape \(300, 1\)"),
        (ROW * 1j, "row 1 of the window: expected a dense tensor of real numbers"),
        (ROW.to_sparse(), "row 1 of the window: expected a dense tensor .* sparse"),
        (ROW.to("meta"), "row 1 of the window: expected a dense tensor .* on the meta device"),
    ],
)
def test_what_is_no_row_is_refused_by_its_number(row: Tensor, message: str, production: None) -> None:
    rows = window_of(SIZES, 300).float()
    sketches = CountSketch(200)(rows)
    bases = rolling_bases(gram_band(rows, 3), 3, 2)
    of_sketches = rolling_bases(gram_band(sketches, 3), 3, 2)
    given_rows = [rows[0], row, rows[2]]
    with pytest.raises(ValueError, match=message):
        streamed_directions(given_rows, bases, 0)
    with pytest.raises(ValueError, match="row 1 "):
        sketched_directions(given_rows, CountSketch(200), sketches, of_sketches, 0, 2)


def test_rows_that_have_no_sketch_are_not_taken_on_trust(production: None) -> None:
    rows, sketch = window_of(SIZES, 1_000), CountSketch(200)
    sketches = sketch(rows)
    bases = rolling_bases(gram_band(sketches, 3), 3, 2)
    with pytest.raises(ValueError, match=r"sketches: expected those of at least 5 rows, of 200 buckets each, got"):
        sketched_directions([*rows[2:4], rows[4].flip(0)], sketch, sketches[:4], bases, 2, 2)
    with pytest.raises(ValueError, match=r"of 200 buckets each, got shape \(5, 1\)"):
        sketched_directions(rows[:3], sketch, sketches[:, :1], bases, 0, 2)
    with pytest.raises(ValueError, match=r"sketches: expected a matrix .* got a list"):
        sketched_directions(rows[:3], sketch, list(sketches), bases, 0, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="index: expected one of 3 windows, counted from 0, got 3"):
        sketched_directions(rows[:3], sketch, sketches, bases, 3, 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rows_in_16_bits_bring_errors_of_their_rounding_alone(dtype: torch.dtype) -> None:
    """Gaps to the square of it over the share of a singular value, directions to its size over that share."""
    rows = window_of(SIZES, 20_000) * 20_000**0.5
    rounding = torch.finfo(dtype).eps / 2
    exact = rolling_bases(gram_band(rows, WINDOW), WINDOW, 3)
    rounded = rows.to(dtype)
    bases = rolling_bases(gram_band(rounded, WINDOW), WINDOW, 3, dtype)
    shares = exact.singular_values[0] / exact.singular_values[0, 0]
    errors = (bases.singular_values / exact.singular_values - 1)[0].abs()
    assert (errors < (rounding / shares) ** 2 + rounding * 0.05).all()
    rest = directions(rounded, bases, 0).double()
    span = torch.linalg.svd(rows, full_matrices=False)[2][:3]
    sines = torch.linalg.vector_norm(rest - rest @ span.T @ span, dim=1)
    assert (sines < bases.error_bound[0]).all()
    assert (sines > bases.error_bound[0] / 50).all()  # the bound says something


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CountSketch(0), "buckets: expected at least 1, got 0"),
        (lambda: CountSketch(3)(torch.tensor([1.0, torch.inf])), r"rows: every value must be finite, got inf at \[1\]"),
        (lambda: CountSketch(3)(torch.tensor([1, 2])), "rows: expected real floating-point numbers, got torch.int64"),
        (lambda: CountSketch(3)(torch.ones(2), start=-1), "start: expected column 0 or later, got -1"),
        (lambda: CountSketch(3)(torch.ones(5), True), "start: expected a whole number, got a bool"),
        (lambda: CountSketch(3)(np.ones(5)), "rows: expected a tensor .* got a NumPy array"),  # type: ignore[arg-type]
        (lambda: CountSketch(3)(torch.tensor(1.0)), r"rows: expected \[\*rows, params\], got shape \(\)"),
        (lambda: CountSketch(3)(torch.ones(5, device="meta")), "rows: .* on the meta device"),
        (lambda: CountSketch(3)(torch.ones(5).to_sparse()), "rows: .* sparse"),
        (
            lambda: CountSketch(1)(torch.full((99,), 1e308, dtype=torch.float64)),
            "rows: values so large that their sums",
        ),
        (lambda: sketch_errors(SIZES[None] * 1e170, 9, 1), "window 0 has a g23 that float64 does not hold, of"),
        (lambda: sketch_errors(SIZES[None] * 1e-170, 9, 1), "window 0 has a g23 that float64 does not hold, of"),
        (lambda: buckets_for(0.1, SIZES[None][:0], 1), "expected those of at least one window, got none"),
        (lambda: sketch_errors(torch.ones(1, 2).double(), 9, 1), "expected three or more of each window"),
        (lambda: sketch_errors(torch.tensor([[1.0, 2.0, 3.0]]).double(), 9, 1), "not negative and descending"),
        (lambda: sketch_errors(SIZES[None], 0, 1), "buckets must be at least 1"),
        (lambda: sketch_errors(SIZES[None], 9, 3, 2), "rank ≤ kept ≤ window = 5, got 9, 3 and 2"),
        (lambda: buckets_for(1.0, SIZES[None], 1), "error: expected a share between 0 and 1, got 1.0"),
        (
            lambda: buckets_for(0.1, torch.tensor([[2.0, 1.0, 1.0]]).double(), 2),
            "window 0 has equal ones around rank 2",
        ),
    ],
)
def test_what_makes_no_sketch_is_refused(call: object, message: str, production: None) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
