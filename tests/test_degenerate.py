"""Every function of the library, given numbers that are none or have no direction, says so or computes finite ones."""

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn

import sedlib
from sedlib import (
    bases,
    centroids,
    coupling,
    curvature,
    fisher,
    fourier,
    gradients,
    leads,
    positions,
    products,
    projection,
    readings,
    sampling,
    trajectory,
    weight_directions,
)
from sedlib.base.finite import require_finite
from sedlib.base.randomness import generator
from sedlib.grokking.interventions.subspaces import SedSubspace
from sedlib.vectors import ParamLayout

SCALES = [0.0, 1e-45, 1e-39, 1e-30, 1e-12, 1.0, 1e12, 1e19, 1e30, 3e38, 1e-320, 1e-160, 1e160, 1e300]
POISON = [math.nan, math.inf, -math.inf, 0.0, 1e38]


class Draw:
    """Arguments of a function: random or constant, of any size, and at times with one value that is none."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def tensor(self, *shape: int, double: bool = False) -> Tensor:
        draw = self._data.draw
        dtype = torch.float64 if double else torch.float32
        values = torch.randn(*shape, dtype=torch.float64, generator=generator(draw(st.integers(0, 3)), "degenerate"))
        if draw(st.booleans()):
            values = torch.full_like(values, float(values.flatten()[0]))
        values = (values * draw(st.sampled_from(SCALES))).to(dtype)
        if draw(st.booleans()):
            values.view(-1)[draw(st.integers(0, values.numel() - 1))] = draw(st.sampled_from(POISON))
        return values

    def double(self, *shape: int) -> Tensor:
        return self.tensor(*shape, double=True)

    def array(self, *shape: int) -> np.ndarray:
        return self.tensor(*shape).numpy()

    def number(self) -> float:
        return float(self.double(1)[0])

    def count(self) -> int:
        return self._data.draw(st.integers(-1, 5))

    def steps(self, count: int) -> np.ndarray:
        return np.arange(count) * 25


def sound_rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((6, 9)).astype(np.float32)


def sound_bases() -> bases.RollingBases:
    return bases.rolling_bases(products.gram_band(sound_rows(), 4), 3, 2)


def gradient_at(theta: Tensor, matrix: Tensor) -> Tensor:
    return matrix.to(theta.dtype) @ theta


def quadratic_centroids(theta: Tensor) -> Tensor:
    return (theta * theta)[None, None].expand(1, 3, -1)


def example_loss(theta: Tensor, x: Tensor) -> Tensor:
    return (theta * x).square().sum()


def task_gradients(draw: Draw) -> object:
    module = nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.copy_(draw.tensor(2, 3))
    inputs = draw.tensor(4, 3)
    layout = ParamLayout.select(module, "*")
    return gradients.task_gradients(lambda module: {"next": module(inputs).square().mean()}, module, layout)


def history(draw: Draw) -> object:
    found = projection.RollingHistory(3, 5)
    for _ in range(3):
        found.append(draw.tensor(5))
    return found.basis(2, allow_fewer=True)


def fisher_directions(draw: Draw) -> object:
    operator = fisher.empirical_fisher(example_loss, draw.tensor(6), [draw.tensor(4, 6)])
    return operator @ np.ones(6)


def lanczos(draw: Draw) -> object:
    matrix = torch.randn(6, 6, dtype=torch.float64, generator=generator(0, "degenerate"))
    found = LinearOperator((6, 6), matvec=lambda vector: (matrix @ matrix.T).numpy() @ vector, dtype=np.float64)
    return fisher.lanczos(found, draw.count(), generator(0, "lanczos"), tolerance=draw.number())


def commutators(draw: Draw) -> object:
    batches = [[draw.tensor(4, 4)] for _ in range(2)]
    return list(curvature.commutators(gradient_at, draw.tensor(4), batches, [(0, 1)], draw.number()))


def displacements(draw: Draw) -> object:
    rows = trajectory.Displacements(draw.array(4, 5), slice(0, 5))
    return trajectory.expanding_pc1_percent(products.gram(rows))


def execution(draw: Draw) -> object:
    return curvature.execution_basis(draw.array(5, 6), {"first": slice(0, 3), "second": slice(3, 6)})


MATRIX = ParamLayout(("matrix",), ((3, 4),))
CASES: dict[str, tuple[Callable[[Draw], object], str]] = {
    "gram": (lambda d: products.gram(d.array(4, 5)), "rows"),
    "gram_band": (lambda d: products.gram_band(d.array(4, 5), 2), "rows"),
    "rolling_bases": (lambda d: bases.rolling_bases(d.double(6, 4), 3, 2), "band|rank"),
    "directions": (lambda d: bases.directions(d.array(6, 9), sound_bases(), 1), "rows"),
    "readings.orthonormality": (lambda d: readings.orthonormality(d.double(6, 4), sound_bases()), "band"),
    "spectral_residual": (lambda d: readings.spectral_residual(d.double(6, 4), sound_bases()), "band"),
    "spectral_gaps": (
        lambda d: readings.spectral_gaps(d.double(2, 4).abs().sort(descending=True)[0]),
        "singular_values",
    ),
    "successive_overlaps": (lambda d: readings.successive_overlaps(d.double(6, 5), sound_bases()), "band"),
    "centroids.centroids": (
        lambda d: centroids.centroids(lambda h: (h * h * h).sum(-1)[None], d.tensor(3, 4)),
        "inputs|centroids|scores",
    ),
    "centroids.read_out": (lambda d: centroids.read_out(d.tensor(6, 4), d.tensor(6, 4)), "centroids|inputs"),
    "centroids.compare": (lambda d: centroids.compare(d.tensor(6, 4), d.tensor(6, 4)), "first|second"),
    "centroids.principal_components": (lambda d: centroids.principal_components(d.tensor(6, 4), 2), "centroids"),
    "central_difference": (
        lambda d: coupling.central_difference(quadratic_centroids, d.tensor(4), d.number())(d.tensor(4)),
        "theta|epsilon|ε|direction",
    ),
    "jvp": (lambda d: coupling.jvp(quadratic_centroids, d.tensor(4))(d.tensor(4)), "theta|direction"),
    "random_baseline": (lambda d: coupling.random_baseline(d.tensor(5, 2)), "response"),
    "coupling_ratios": (
        lambda d: coupling.coupling_ratios(d.tensor(3, 2), coupling.Baseline(d.tensor(2), d.tensor(2), 5)),
        "response|median|ratios",
    ),
    "random_directions": (
        lambda d: sampling.random_directions(d.count(), d.count(), generator(0, "d")),
        "count and size",
    ),
    "task_gradients": (task_gradients, "weight|task 'next'"),
    "per_example_gradients": (
        lambda d: gradients.per_example_gradients(example_loss, d.tensor(3), [d.tensor(4, 3)]),
        "example",
    ),
    "gradient_basis": (lambda d: fisher.gradient_basis(d.tensor(5, 7), d.count()), "rows|gradients|rank"),
    "empirical_fisher": (fisher_directions, "theta|fisher|example"),
    "lanczos": (lanczos, "rank|tolerance"),
    "fourier.frequencies": (lambda d: list(fourier.frequencies(d.count())), "n"),
    "fourier.characters": (lambda d: fourier.characters(torch.arange(3), d.count(), 1), "elements"),
    "fourier.pair_functions": (lambda d: fourier.pair_functions(torch.ones(2, 2).long(), d.count(), 1), "elements"),
    "fourier.part_in": (lambda d: fourier.part_in(d.tensor(6, 2), d.double(6, 3)), "values|functions"),
    "fourier.explained": (lambda d: fourier.explained(d.tensor(6, 2), d.double(6, 3)), "values|functions"),
    "fourier.discrete_logarithms": (lambda d: fourier.discrete_logarithms(d.count()), "modulo"),
    "orthonormal": (lambda d: projection.orthonormal(d.tensor(2, 5)), "rows"),
    "random_basis": (lambda d: projection.random_basis(d.count(), d.count(), generator(0, "d")), "rank"),
    "random_coordinates": (lambda d: projection.random_coordinates(d.count(), d.count(), generator(0, "d")), "coord"),
    "overlap": (lambda d: projection.overlap(d.tensor(2, 5), d.tensor(2, 5)), "first|second"),
    "principal_angles": (lambda d: projection.principal_angles(d.tensor(2, 5), d.tensor(2, 5)), "first|second"),
    "RollingHistory": (history, "row"),
    "commutators": (commutators, "step size|theta|batch|pair|step of length"),
    "decompose": (lambda d: curvature.decompose(d.tensor(3, 5), torch.eye(5)[:2]), "vector"),
    "curvature.alignment": (lambda d: curvature.alignment(d.tensor(5), d.tensor(3, 5)), "step|vector|cosines"),
    "expected_random_share": (lambda d: curvature.expected_random_share(d.count(), d.count()), "rank"),
    "execution_basis": (execution, "block"),
    "singular_basis": (
        lambda d: weight_directions.singular_basis(d.tensor(12), MATRIX, {"matrix": slice(0, 12)}),
        "theta|matrix",
    ),
    "Displacements": (displacements, "rows|block"),
    "pc1_percent": (lambda d: trajectory.pc1_percent(d.double(4, 4)), "gram|block"),
    "expanding_pc1_percent": (lambda d: trajectory.expanding_pc1_percent(d.double(4, 4)), "gram|block"),
    "trajectory.principal_components": (lambda d: trajectory.principal_components(d.double(4, 4), 2), "gram|rank"),
    "step_norms": (lambda d: trajectory.step_norms(d.double(4, 4)), "gram"),
    "random_walk": (
        lambda d: trajectory.random_walk(d.double(4), d.count(), generator(0, "w")),
        "step_norms|size",
    ),
    "random_walk_null": (
        lambda d: trajectory.random_walk_null(d.double(4, 4), 5, 3, generator(0, "w")),
        "gram|block|step_norms",
    ),
    "z_score": (lambda d: trajectory.z_score(d.number(), d.double(4)), "z-score|value|null"),
    "leads.onset": (lambda d: leads.onset(d.steps(5), d.double(5).numpy()), "defects"),
    "leads.departure": (lambda d: leads.departure(d.steps(5), d.double(5).numpy()), "gaps"),
    "leads.growth": (lambda d: leads.growth(d.double(5).numpy()), "defects|growth"),
    "leads.peak_before": (lambda d: leads.peak_before(d.steps(5), d.double(5).numpy(), 75), "ratio"),
    "leads.accurate_step": (lambda d: leads.accurate_step(d.steps(5), d.double(5).numpy()), "accuracies"),
    "leads.sign_test": (lambda d: leads.sign_test(d.double(5).numpy()), "leads"),
    "leads.power_law": (
        lambda d: leads.power_law(d.double(5).numpy(), d.double(5).numpy(), 0.95),
        "grok|power law",
    ),
    "require_finite": (lambda d: require_finite(theta=d.tensor(5)), "theta"),
}
"""What is called, and the words of which one must be in a refusal."""

NOT_NUMERIC = {
    *("ParamLayout", "Positions", "Rows", "RollingBases", "SpectralGaps", "CentroidComparison", "CentroidReadouts"),
    *("Checkpoint", "Checkpoints", "CentroidFunction", "Probes", "measure", "plot_coupling"),
    *("RandomDirections", "FisherBasis", "EmpiricalFisher", "window_blocks"),
    *(
        "Baseline",
        "Commutator",
        "Decomposition",
        "LostInRoundingError",
        "UndeterminedBasisError",
        "UndeterminedError",
        "generator",
    ),
    *("pooled_pairs", "blocks", "first_step", "PowerLaw", "attention_modules"),
    *("full_scores", "logit_scores", "onto_basis", "onto_coordinates", "removing"),
}
"""They hold, name or select what they are given, or are linear in it."""
TRIED_IN_THEIR_OWN_TESTS = {
    *("CountSketch", "SketchErrors", "buckets_for", "sketch_errors", "sketched_directions", "streamed_directions"),
    *("FactoredRow", "LinearFactors", "factored_band", "factored_gradients", "factors_are_fewer"),
    *("Neighbours", "inner_scores", "Recorder", "RecorderCallback", "RowFolder"),
}


def numbers(found: object) -> Iterator[float]:
    """All that a result holds."""
    if isinstance(found, Tensor | np.ndarray):
        yield from np.asarray(found, dtype=np.float64).ravel().tolist()
    elif isinstance(found, dict | list | tuple):
        for value in found.values() if isinstance(found, dict) else found:
            yield from numbers(value)
    elif is_dataclass(found):
        for field in fields(found):
            yield from numbers(getattr(found, field.name))
    elif isinstance(found, int | float):
        yield float(found)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_function_refuses_by_name_or_computes_finite_numbers(name: str, data: st.DataObject) -> None:
    call, words = CASES[name]
    try:
        found, refusal = call(Draw(data)), None
    except ValueError as error:
        found, refusal = None, str(error)
    assert refusal is None or any(word in refusal for word in words.split("|")), refusal
    assert all(map(math.isfinite, numbers(found))), found


def test_no_function_of_the_library_is_left_out() -> None:
    modules = (bases, centroids, coupling, curvature, fisher, fourier, gradients, leads, positions, products)
    here = {name.rpartition(".")[2] for name in CASES} | NOT_NUMERIC | TRIED_IN_THEIR_OWN_TESTS
    for module in (*modules, projection, readings, sampling, trajectory, weight_directions):
        own = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        assert set(own) <= here | {"require_equal_lengths", "centred", "diagonals"}, module
    listed: list[Any] = [name for name in dir(sedlib) if not hasattr(getattr(sedlib, name), "__path__")]
    assert {name for name in listed if callable(getattr(sedlib, name))} <= here


LINE = torch.arange(12.0).view(4, 3)
EXAMPLES = torch.randn(6, 4, generator=generator(0, "degenerate"))


def root_gradients() -> object:
    """A finite loss whose gradient is not: the root of zero."""
    module = nn.Linear(2, 1)
    nn.init.zeros_(module.weight)
    layout = ParamLayout.select(module, "weight")
    return gradients.task_gradients(lambda module: {"next": module.weight.sqrt().sum()}, module, layout)


def shortest_commutator() -> object:
    """Norms whose product underflows."""
    theta = torch.zeros(1).double()
    batches = [[torch.full_like(theta, size)] for size in (1e-150, 2e-150)]
    return list(curvature.commutators(lambda theta, gradient: gradient, theta, batches, [(0, 1)], 1e-30))


def history_of_zeros() -> object:
    found = SedSubspace(projection.RollingHistory(2, 3), 1, is_raw=False)
    for _ in range(2):
        found.record(torch.ones(3), torch.zeros(3))
    return found.next_projector()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (root_gradients, "the gradient of task 'next' is not finite in: 'weight'"),
        (lambda: bases.directions(sound_rows() * np.nan, sound_bases(), 1), "rows: every value must be finite"),
        (lambda: readings.orthonormality(torch.full((6, 4), math.nan).double(), sound_bases()), "band: every value"),
        (lambda: centroids.compare(EXAMPLES[:3], EXAMPLES[3:]), "first: vary in 2 directions, 3 are needed"),
        (lambda: centroids.principal_components(LINE, 2), "centroids: vary in 1 directions, 2 are needed"),
        (lambda: centroids.read_out(EXAMPLES[:1], EXAMPLES[:1]), "centroids: the 1 of them are all equal"),
        (lambda: centroids.read_out(1e-9 * EXAMPLES, EXAMPLES), "centroids: the one of probe 0 has length .*e-10"),
        (lambda: centroids.read_out(EXAMPLES, EXAMPLES * (torch.arange(6) != 4)[:, None]), "inputs: .* of probe 4"),
        (lambda: coupling.central_difference(quadratic_centroids, torch.ones(4), 1e-9), "1e-09 is lost in the round"),
        (shortest_commutator, "no finite defect, as the gradients have the norms"),
        (lambda: trajectory.random_walk(torch.tensor([1.0, math.nan]).double(), 3, generator(0, "w")), "step_norms"),
        (history_of_zeros, "every step of the history is zero"),
        (
            lambda: projection.overlap(torch.empty(0, 3), torch.empty(0, 3)),
            "two bases of at least one dimension, got 0",
        ),
        (lambda: fourier.explained(torch.full((5, 1), 0.1), torch.eye(5).double()), "column 0 of values"),
        (lambda: leads.growth(np.array([])), "needs at least 3 measurements, got 0"),
    ],
)
def test_known_degenerate_arguments_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
