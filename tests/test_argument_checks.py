"""Arguments of the library's functions that are not as annotated: refused by name, for users as in tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator
from torch import Tensor
from torch.nn import functional as F

import sedlib
from sedlib.base.border.checked import checked
from sedlib.base.errors import WrongKindError
from sedlib.base.randomness import generator
from tests.messages import refused

pytestmark = pytest.mark.usefixtures("production")


def given(value: object) -> Any:
    """What annotations forbid, as users without a type checker give it."""
    return value


def drawn() -> torch.Generator:
    return generator(0, "arguments")


ROWS = torch.randn(8, 12, generator=drawn())
ARRAY = ROWS.numpy()
BAND = sedlib.gram_band(ROWS, 4)
BASES = sedlib.rolling_bases(BAND, window=3, rank=2)
BASIS = sedlib.orthonormal(ROWS[:3])
THETA = torch.linspace(0.5, 1, 12)
EXAMPLES = torch.randn(9, 12, generator=drawn())
GRAM = sedlib.gram(sedlib.trajectory.Displacements(ROWS, slice(0, 4)))
LAYOUT = sedlib.ParamLayout(("a", "b"), ((2,), (3,)))
STATES = {"a": np.ones((4, 2)), "b": np.ones((4, 3))}
LOGITS, TARGETS = torch.randn(2, 5, 7, generator=drawn()), torch.randint(7, (2, 5), generator=drawn())
RESPONSES = torch.rand(20, 3, generator=drawn())
BASELINE = sedlib.random_baseline(RESPONSES)


def squares(theta: Tensor) -> Tensor:
    return theta.square()[None, None]


def loss_at(theta: Tensor, x: Tensor) -> Tensor:
    return (theta @ x).square()


def gradient_at(theta: Tensor, x: Tensor) -> Tensor:
    return x @ (x.T @ theta)


BATCHES = [[EXAMPLES[:4].T], [EXAMPLES[4:].T]]


def history(*rows: Any, window: int = 3, size: int = 12, rank: int = 2) -> Tensor:
    found = sedlib.RollingHistory(window, size)
    for row in rows:
        found.append(row)
    return found.basis(rank)


def commutators(**changed: Any) -> list[Any]:
    arguments: dict[str, Any] = {
        "gradient_at": gradient_at,
        "theta": THETA,
        "batches": BATCHES,
        "pairs": [(0, 1)],
        "step_size": 0.1,
    }
    return list(sedlib.commutators(**(arguments | changed)))


CASES: list[tuple[Callable[[], object], str]] = [
    # rows
    (lambda: sedlib.gram(given(list(ROWS))), r"rows: expected a matrix \[rows, params\], got a list; np.stack"),
    (lambda: sedlib.gram(given("rows.h5")), "rows: expected a matrix .* got a str"),
    (lambda: sedlib.gram(given(pd.DataFrame(ARRAY))), "got a DataFrame; .*to_numpy"),
    (lambda: sedlib.gram(given(csr_array(ARRAY))), "got a csr_array"),
    (lambda: sedlib.gram(np.ma.masked_array(ARRAY, ARRAY > 1)), "got a MaskedArray"),
    (lambda: sedlib.gram(ARRAY.astype(object)), "rows: expected real numbers, got object"),
    (lambda: sedlib.gram(ARRAY + 1j), "expected real numbers, got complex64; give real and imaginary parts"),
    (lambda: sedlib.gram(ARRAY[0]), r"got shape \(12,\)"),
    (lambda: sedlib.gram(ROWS.to("meta")), "on the meta device, without values"),
    (lambda: sedlib.gram(ROWS.to_sparse()), r"sparse \(torch.sparse_coo\): to_dense"),
    (lambda: sedlib.gram_band(ROWS, -1), "reach: expected 0 or more"),
    (lambda: sedlib.gram_band(ROWS, given(2.5)), r"reach: expected a whole number, got a float \(2.5\)"),
    # bases
    (lambda: sedlib.rolling_bases(BAND.float(), 3, 2), r"band: expected real floating-point numbers \(float64\), got"),
    (lambda: sedlib.rolling_bases(sedlib.gram(ROWS), 3, 2), "band: expected zeros past the last row, .*diagonals"),
    (lambda: sedlib.rolling_bases(BAND, given(3.0), 2), "window: expected a whole number"),
    (lambda: sedlib.rolling_bases(BAND, 3, 0), "rank must be between 1 and window = 3, got 0"),
    (lambda: sedlib.rolling_bases(BAND, 9, 2), "a window of 9 rows is longer than the stream of 8"),
    (lambda: sedlib.rolling_bases(BAND[0], 3, 2), r"band: expected \[rows, offsets\], got shape"),
    (lambda: sedlib.directions(ROWS, BASES, 60), "index: expected one of 6 windows, 0 to 5, got 60"),
    (lambda: sedlib.directions(ROWS[:4], BASES, 5), "rows: expected at least 8, got 4 rows"),
    (lambda: sedlib.directions(given(BASES), given(ROWS), 0), "bases: expected a RollingBases, got a tensor"),
    (lambda: sedlib.spectral_gaps(torch.rand(4, 2).double()), "a window of at least 3 rows"),
    (lambda: sedlib.spectral_gaps(BASES.singular_values.flip(1)), "in descending order"),
    (lambda: sedlib.orthonormality(sedlib.gram_band(ROWS[:4], 4), BASES), "of the 8 rows whose bases these are, got 4"),
    (lambda: sedlib.successive_overlaps(sedlib.gram_band(ROWS[:4], 4), BASES), "band: expected that of the 8 rows"),
    # responses
    (lambda: sedlib.jvp(squares, torch.arange(4)), "theta: expected real floating-point numbers, got torch.int64"),
    (lambda: sedlib.jvp(squares, THETA + 0j), "theta: expected real floating-point numbers, got torch.complex64"),
    (lambda: sedlib.jvp(squares, THETA.bfloat16()), "theta: expected float32 or float64, got torch.bfloat16"),
    (lambda: sedlib.jvp(squares, THETA.view(3, 4)), r"theta: expected \[params\], got shape \(3, 4\)"),
    (lambda: sedlib.jvp(given(THETA), given(squares)), "centroids_at: expected a function, got a tensor"),
    (lambda: sedlib.jvp(lambda theta: theta.square(), THETA), r"centroids_at: expected \[tasks, probes, inputs\]"),
    (lambda: sedlib.jvp(given(lambda theta: (theta[None, None],)), THETA), "of the function, got a tuple"),
    (lambda: sedlib.jvp(squares, THETA)(given(BASIS[0].numpy())), "direction: expected a tensor .* got a NumPy array"),
    (lambda: sedlib.jvp(squares, THETA)(F.one_hot(torch.tensor(3), 12)), "direction: .* of torch.int64"),
    (lambda: sedlib.jvp(squares, THETA)(BASIS[0] * 1j), "direction: .* of torch.complex64"),
    (lambda: sedlib.jvp(squares, THETA)(BASIS[0].to_sparse()), "direction: .* sparse"),
    (lambda: sedlib.central_difference(squares, THETA, given("0.01")), r"epsilon: expected a number, got a str \('0"),
    (
        lambda: sedlib.central_difference(squares, THETA, 0.01, noise=torch.zeros(5))(BASIS[0]),
        r"noise: expected \[tasks\], 1 of them, got shape \(5,\)",
    ),
    (lambda: sedlib.random_baseline(RESPONSES[:, 0]), r"responses: expected \[random, tasks\], got shape"),
    (lambda: sedlib.random_baseline(given(list(RESPONSES))), "responses: expected a tensor .* got a list"),
    (lambda: sedlib.random_baseline(RESPONSES.bfloat16()), "got torch.bfloat16; widen them to float32"),
    (
        lambda: sedlib.coupling_ratios(RESPONSES[:2, :1], BASELINE),
        "baseline.median: .*as many tasks as responses has, 1",
    ),
    (lambda: sedlib.coupling_ratios(RESPONSES[:2], given(RESPONSES)), "baseline: expected a Baseline, got a tensor"),
    (lambda: sedlib.coupling_ratios(-RESPONSES[:2], BASELINE), "a response is a mean square, and so not negative"),
    # random choices
    (lambda: sedlib.random_directions(3, 4, given(0)), r"generator: expected a torch.Generator .* got an int \(0\)"),
    (lambda: sedlib.random_directions(3, 4, given(None)), "generator: expected a torch.Generator .* got None"),
    (lambda: sedlib.random_directions(3, given(LAYOUT), drawn()), "size: .*got a ParamLayout; layout.size"),
    (lambda: sedlib.random_basis(2, 5, given(np.random.default_rng(0))), "generator: expected a torch.Generator"),
    (lambda: sedlib.random_coordinates(given(2.0), 5, drawn()), "count: expected a whole number"),
    (lambda: sedlib.generator(given(1.0), "a"), "seed: expected a whole number, got a float"),
    (lambda: sedlib.generator(given("a"), given(0)), "seed: expected a whole number, got a str"),
    (lambda: sedlib.random_walk(torch.ones(3), 5, drawn()), r"step_norms: .*\(float64\), got torch.float32"),
    (lambda: sedlib.random_walk_null(GRAM, 5, 0, drawn()), "count: expected at least one walk"),
    # centroids and scores
    (lambda: sedlib.centroids.centroids(lambda h: torch.ones(2, len(h)), EXAMPLES), "do not depend on the inputs h"),
    (lambda: sedlib.centroids.read_out(EXAMPLES[None], EXAMPLES), r"centroids: expected \[probes, inputs\], got shape"),
    (lambda: sedlib.centroids.read_out(EXAMPLES, EXAMPLES[:1]), "inputs: .*as many probes as centroids has, 9, got"),
    (lambda: sedlib.centroids.read_out(EXAMPLES, EXAMPLES[:, :5]), "as many inputs as centroids has, 12"),
    (lambda: sedlib.centroids.principal_components(EXAMPLES, -1), "at least one principal direction, got -1"),
    (lambda: sedlib.logit_scores(LOGITS, TARGETS + 7), "targets: expected classes 0 … 6, got"),
    (lambda: sedlib.logit_scores(LOGITS, torch.full_like(TARGETS, -100)), "-100 of probe 0 .*padded or ignored"),
    (lambda: sedlib.logit_scores(LOGITS, TARGETS > 3), "targets: expected integers .* of torch.bool"),
    (lambda: sedlib.logit_scores(LOGITS, TARGETS.to("meta")), "on the meta device"),
    (lambda: sedlib.full_scores(given(LOGITS.numpy())), "logits: expected a tensor .* got a NumPy array"),
    # projections
    (lambda: sedlib.onto_basis(ROWS[:3]), "basis: expected orthonormal rows, got norms from"),
    (lambda: sedlib.onto_basis(BASIS)(given(ARRAY[0])), "vector: expected a tensor .* got a NumPy array"),
    (lambda: sedlib.onto_basis(BASIS)(ROWS[0, :5]), r"vector: expected shape \(12,\) .* got \(5,\)"),
    (lambda: sedlib.onto_basis(BASIS)(ROWS[0].double()), "of torch.float32 on cpu, .* of torch.float64"),
    (lambda: sedlib.onto_coordinates(torch.ones(12) > 0)(torch.ones(1)), r"vector: expected shape \(12,\)"),
    (lambda: sedlib.onto_coordinates(torch.tensor([0, 3])), "kept: expected booleans, got torch.int64"),
    (lambda: sedlib.removing(given(BASIS)), r"projector: expected a function, .*onto_basis\(basis\) makes one"),
    (lambda: sedlib.overlap(ROWS[:3], ROWS[:3]), "first: expected orthonormal rows"),
    (
        lambda: sedlib.principal_angles(0.5 * BASIS, BASIS),
        "first: expected orthonormal rows, got norms from 0.5 to 0.5",
    ),
    (lambda: sedlib.principal_angles(BASIS, BASIS[:, :5]), "second: .*as many params as first has, 12"),
    (lambda: sedlib.orthonormal(ROWS[None]), r"rows: expected \[rank, params\], got shape \(1, 8, 12\)"),
    (lambda: history(*given(ARRAY)), "row: expected a tensor .* got a NumPy array"),
    (lambda: history(*ROWS[:, :5]), r"row: expected the shape \(12,\), got \(5,\)"),
    (lambda: history(window=0), "a window and a size of at least 1, got 0 and 12"),
    (
        lambda: sedlib.RollingHistory(3, 12).load_state_dict(
            {"rows": torch.ones(1), "gram": torch.ones(1), "count": 3}
        ),
        r"state: expected rows of shape \(3, 12\), got \(1,\)",
    ),
    # examples
    (lambda: sedlib.per_example_gradients(loss_at, THETA, given(EXAMPLES)), "examples: expected a list .*got a tensor"),
    (
        lambda: sedlib.per_example_gradients(loss_at, THETA, given([EXAMPLES.numpy()])),
        r"examples\[0\]: expected a tensor",
    ),
    (lambda: sedlib.per_example_gradients(loss_at, THETA, [EXAMPLES[:0]]), "examples: expected at least one, got none"),
    (lambda: sedlib.per_example_gradients(loss_at, THETA, [EXAMPLES], block=-1), "block: expected at least one"),
    (
        lambda: sedlib.per_example_gradients(lambda t, x: t * x, THETA, [EXAMPLES]),
        "loss_at: the loss of one example .*sh",
    ),
    (lambda: sedlib.per_example_gradients(lambda t, x: x.sum(), THETA, [EXAMPLES]), "does not depend on theta"),
    (
        lambda: sedlib.per_example_gradients(lambda t, x: loss_at(t, F.dropout(x)), THETA, [EXAMPLES]),
        r"draws random numbers \(dropout\) for each example",
    ),
    (
        lambda: sedlib.per_example_gradients(given(lambda t, x: loss_at(t, x).item()), THETA, [EXAMPLES]),
        r"cannot take .item\(\) over several examples",
    ),
    (lambda: sedlib.empirical_fisher(lambda t, x: t * x, THETA, [EXAMPLES]), "loss_at: the loss of one example"),
    (lambda: sedlib.lanczos(given(GRAM), 1, drawn()), "operator: expected a LinearOperator, .*aslinearoperator makes"),
    (lambda: sedlib.lanczos(aslinearoperator(ARRAY[:8, :8]), 2, drawn()), "operator: expected a symmetric one"),
    (lambda: sedlib.gradient_basis(given(ARRAY), 2), "gradients: expected a tensor"),
    # curvature and trajectories
    (lambda: commutators(pairs=iter([(0, 1)])), "pairs: expected a list or a tuple, got a list_iterator"),
    (lambda: commutators(pairs=(0, 1)), "a pair must name two of 2 batches, from 0, got 0"),
    (lambda: commutators(batches=[EXAMPLES, EXAMPLES]), r"batch 0: expected a list .*give \[batch\]"),
    (
        lambda: commutators(gradient_at=lambda t, x: F.dropout(gradient_at(t, x))),
        "two gradients of batch 0 at the same",
    ),
    (lambda: commutators(gradient_at=lambda t, x: (gradient_at(t, x),)), "batch 0: gradient_at: .* got a tuple"),
    (lambda: sedlib.pooled_pairs(0), "draws: expected at least one pair"),
    (lambda: sedlib.decompose(ROWS[:3].double(), BASIS), "vectors: expected torch.float32, as the basis has, got"),
    (lambda: sedlib.curvature.alignment(ROWS[0], ROWS[:0]), "vectors: expected at least one, got none"),
    (lambda: sedlib.execution_basis(ROWS, {}), "expected a rank of at least 1 and a block"),
    (lambda: sedlib.execution_basis(ROWS, {"a": slice(0, 8, 2)}), "block 'a': block: expected a slice .*no step"),
    (lambda: sedlib.execution_basis(ROWS, {"a": slice(None, 4)}), "block 'a': block: expected a slice with a start"),
    (lambda: sedlib.singular_basis(ROWS[0, :5], LAYOUT, {}), "expected a rank of at least 1 and a matrix"),
    (lambda: sedlib.singular_basis(ROWS[0], LAYOUT, {"a": slice(0, 2)}), "theta: expected the 5 parameters .* got 12"),
    (lambda: sedlib.singular_basis(ROWS[0, :5], LAYOUT, {"a": slice(0, 3)}), "matrix 'a': expected whole rows of"),
    (lambda: sedlib.singular_basis(ROWS[0, :5], LAYOUT, {"a": slice(0, None)}), "matrix 'a': expected a slice with"),
    (lambda: sedlib.pc1_percent(given(GRAM.numpy())), "gram: expected a tensor .* got a NumPy array"),
    (lambda: sedlib.pc1_percent(BAND), "gram: expected .*as many steps along each axis, got shape"),
    (lambda: sedlib.pc1_percent(GRAM.triu()), "gram: expected a Gram matrix, got a matrix that is not symmetric"),
    (lambda: sedlib.step_norms(-GRAM), "gram: expected a Gram matrix"),
    (lambda: sedlib.z_score(1.0, given([1.0, 2.0])), "null: expected a tensor"),
    # layouts and columns
    (lambda: sedlib.Positions(STATES, LAYOUT)[0:2, 0:5:2], "rows: expected two slices without a step"),
    (lambda: sedlib.Positions(given([STATES]), LAYOUT), "values: expected a mapping of names to arrays"),
    (
        lambda: sedlib.Positions({**STATES, "a": [1.0]}, LAYOUT),
        r"parameter 'a': expected an array \[steps, ...\], got a",
    ),
    (
        lambda: sedlib.Positions({**STATES, "a": torch.ones(4, 2).bfloat16()}, LAYOUT),
        "parameter 'a': expected real floating-point numbers, got torch.bfloat16",
    ),
    (
        lambda: sedlib.blocks.blocks(LAYOUT, given("a")),
        "names: expected a list or a tuple, got a str .*parameter names",
    ),
    (
        lambda: sedlib.blocks.blocks(LAYOUT, ["a"], {"a": ("q", "q")}),
        "parts of 'a': expected names in a tuple, each once",
    ),
    (lambda: sedlib.fourier.characters(torch.tensor([0.5]), 4, 1), r"elements: expected whole numbers \(int64\), got"),
    (
        lambda: sedlib.fourier.pair_functions(torch.zeros(2, 3).long(), 4, 1),
        r"pairs: expected \[points, 2\], got shape",
    ),
    (
        lambda: sedlib.leads.onset(given([0, 25]), given([1.0, 2.0])),
        "defects: expected a NumPy array, got list; np.asarray",
    ),
    # sketches, factors and runs
    (lambda: sedlib.CountSketch(given(2.5)), "buckets: expected a whole number"),
    (lambda: sedlib.LinearFactors(ROWS, ROWS[:3]), "deltas: .*as many tokens as inputs has, 8"),
    (lambda: sedlib.FactoredRow(("a", "b"), (ROWS,)), "parts: expected one for each of 2 names, got 1"),
    (lambda: sedlib.Neighbours(given("2")), "count: expected a whole number"),
    (lambda: sedlib.Checkpoints(given(None)), "checkpoints: expected a folder, a glob or a list of paths, got None"),
    (lambda: sedlib.Checkpoints(given([STATES])), "got a dict; a function may yield states"),
]


@pytest.mark.parametrize(("call", "message"), CASES, ids=[message for _, message in CASES])
def test_an_argument_that_is_not_as_annotated_is_refused_by_name(call: Callable[[], object], message: str) -> None:
    refused(call, message)


def test_a_dataset_of_a_closed_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        dataset = file["rows"] = ARRAY
        dataset = file["rows"]
        assert torch.equal(sedlib.gram(dataset), sedlib.gram(ROWS))
    for call in (
        lambda: sedlib.gram(dataset),
        lambda: sedlib.directions(dataset, BASES, 0),
        lambda: sedlib.trajectory.Displacements(dataset, slice(0, 2)),
    ):
        refused(call, "expected an open HDF5 dataset, got one whose file is closed")


def orders() -> Iterator[Any]:
    yield ARRAY.astype(">f4")
    yield ARRAY.astype(np.longdouble)
    yield np.asfortranarray(ARRAY)
    yield ARRAY[::-1][::-1]
    yield np.repeat(ARRAY, 2, axis=1)[:, ::2]
    yield ROWS.clone().requires_grad_()


@pytest.mark.parametrize("rows", orders())
def test_rows_in_any_order_of_bytes_and_numbers_have_the_same_products(rows: Any) -> None:
    torch.testing.assert_close(sedlib.gram(rows), sedlib.gram(ROWS), rtol=0, atol=0)


def test_reversed_rows_have_the_reversed_products() -> None:
    assert torch.equal(sedlib.gram(ARRAY[::-1]), sedlib.gram(ROWS.flip(0)))


@checked("narrow", kind="choose another")
def annotated(
    narrow: sedlib.bases.Float[Tensor, "rows params"], count: int = 1, name: str | None = None, kind: float = 1.0
) -> tuple[Any, ...]:
    return narrow, count, name, kind


def test_what_is_as_annotated_is_passed_on_as_it_is() -> None:
    rows = ROWS.bfloat16()
    for found in (
        annotated(rows, given(np.int64(3)), name="a", kind=1),
        annotated(narrow=rows, count=3, kind=given(torch.tensor(1.0))),
    ):
        assert found[0] is rows
        assert found[1] == 3
    with pytest.raises(TypeError, match=r"kind: expected a number, got a str .*; choose another") as caught:
        annotated(rows, kind=given("x"))
    assert isinstance(caught.value, WrongKindError)
    with pytest.raises(TypeError, match=r"annotated.*unexpected keyword argument 'other'"):
        given(annotated)(rows, other=1)
