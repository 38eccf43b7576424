from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sedlib.base.randomness import generator
from sedlib.centroids import centroids
from sedlib.coupling import CentroidsAt, central_difference, coupling_ratios, jvp, random_baseline
from sedlib.sampling import random_directions
from sedlib.scores import full_scores
from sedlib.vectors import ParamLayout


@pytest.fixture
def problem() -> tuple[CentroidsAt, torch.Tensor]:
    """A small network in float64: centroids as a function of its first layer's weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double().requires_grad_(False)
    layout = ParamLayout.select(model, "0.weight")
    inputs = torch.randn(9, 4, dtype=torch.float64)

    def at(theta: torch.Tensor) -> torch.Tensor:
        def scores(h: torch.Tensor) -> torch.Tensor:
            return full_scores(torch.func.functional_call(model, layout.unflatten(theta), (h,)).square()[None])

        return centroids(scores, inputs)

    return at, layout.flatten(dict(model.named_parameters()))


def unit(size: int, seed: int) -> torch.Tensor:
    return random_directions(1, size, generator(seed, "test"))[0].double()


@pytest.mark.parametrize("seed", range(5))
def test_jvp_is_the_limit_of_the_difference(problem: tuple[CentroidsAt, torch.Tensor], seed: int) -> None:
    at, theta = problem
    exact = jvp(at, theta)(unit(len(theta), seed))
    errors = [
        float((central_difference(at, theta, epsilon)(unit(len(theta), seed)) / exact - 1).abs())
        for epsilon in (1e-2, 1e-3)
    ]
    assert errors[1] < 1e-5
    assert errors[1] < errors[0] / 50  # a central difference errs by ε²


def test_response_is_the_mean_square_of_the_difference_quotient(problem: tuple[CentroidsAt, torch.Tensor]) -> None:
    at, theta = problem
    direction, step = unit(len(theta), 1), 1e-3 * theta.norm()
    quotient = (at(theta + step * direction) - at(theta - step * direction)) / (2 * step)
    expected = sum(float(row @ row) for row in quotient[0]) / quotient.shape[1]
    assert float(central_difference(at, theta, 1e-3)(direction)) == pytest.approx(expected, rel=1e-9)


def test_response_of_centroids_linear_in_the_parameters_is_known() -> None:
    jacobian = torch.randn(2, 5, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theta, direction = torch.ones(7, dtype=torch.float64), unit(7, 0)
    expected = (jacobian @ direction).square().sum(-1).mean(-1)
    torch.testing.assert_close(central_difference(lambda t: jacobian @ t, theta, 0.5)(direction), expected)
    torch.testing.assert_close(jvp(lambda t: jacobian @ t, theta)(direction), expected)


def test_response_does_not_depend_on_the_sign(problem: tuple[CentroidsAt, torch.Tensor]) -> None:
    at, theta = problem
    response, direction = jvp(at, theta), unit(len(theta), 3)
    torch.testing.assert_close(response(-direction), response(direction))


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("measure", [jvp, lambda at, theta: central_difference(at, theta, 0.01)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: 9788**0.5 * v, r"direction: expected norm 1, got 98.9"),
        (lambda v: v[:1] / v[:1].norm(), r"direction: expected shape \(\d+,\) .* got \(1,\)"),
        (lambda v: v[None], r"direction: expected shape"),
        (lambda v: v * torch.nan, r"direction: every value must be finite"),
    ],
)
def test_a_direction_of_another_norm_or_size_is_refused(
    problem: tuple[CentroidsAt, torch.Tensor], measure: Any, change: Any, message: str
) -> None:
    at, theta = problem
    respond = measure(at, theta)
    with pytest.raises(ValueError, match=message):
        respond(change(unit(len(theta), 3)))


@pytest.mark.parametrize("measure", [jvp, lambda at, theta: central_difference(at, theta, 0.01)])
def test_a_function_that_draws_random_numbers_is_refused(measure: Any) -> None:
    weights = torch.ones(2, 3, 4)

    def dropped(theta: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(weights * theta, 0.5)

    with pytest.raises(ValueError, match="two evaluations at the same theta differ"):
        measure(dropped, torch.ones(4))


@pytest.mark.parametrize("epsilon", [2e-7, 1e-6, 1e-5, 1e-4, 1e-2])
def test_a_response_is_right_or_refused_for_its_rounding(epsilon: float) -> None:
    """In float32, of centroids that are much larger than their changes: today's errors are 60 % and more."""
    draws = generator(0, "test")
    weights = torch.randn(50, 30, generator=draws)
    theta, direction = torch.randn(30, generator=draws), torch.randn(30, generator=draws)
    direction = direction / direction.norm()

    def at(theta: torch.Tensor) -> torch.Tensor:
        return 30 + torch.tanh(weights.to(theta) * theta)[None]

    exact = jvp(at, theta.double())(direction.double())
    try:
        found = central_difference(at, theta, epsilon)(direction)
    except ValueError as error:
        assert "is lost in rounding" in str(error)  # noqa: PT017
        assert epsilon < 1e-3
    else:
        assert float(found) == pytest.approx(float(exact), rel=0.01)


@pytest.mark.parametrize(("epsilon", "scale"), [(0.0, 1.0), (-1.0, 1.0), (0.1, 0.0)])
def test_a_vanishing_step_is_refused(epsilon: float, scale: float) -> None:
    with pytest.raises(ValueError, match=r"step ε‖θ‖ must be positive"):
        central_difference(lambda t: t, scale * torch.ones(3), epsilon)


def test_random_directions_are_unit_reproducible_and_spread() -> None:
    directions = torch.stack(tuple(random_directions(50, 4000, generator(0, "test"))))
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(50))
    assert torch.equal(directions[7], random_directions(50, 4000, generator(0, "test"))[7])
    assert (directions @ directions.T - torch.eye(50)).abs().max() < 0.1


def test_ratio_is_to_the_median_per_task() -> None:
    baseline = random_baseline(torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [100.0, 50.0]]))
    assert (baseline.median.tolist(), baseline.mean.tolist(), baseline.count) == ([3, 30], [26.75, 30], 4)
    ratios, mean = coupling_ratios(torch.tensor([[6.0, 60.0], [12.0, 15.0]]), baseline)
    assert ratios.tolist() == [[2.0, 2.0], [4.0, 0.5]]
    assert mean.tolist() == [3.0, 1.25]


@pytest.mark.parametrize(
    ("value", "message"),
    [(0.0, "must be positive for every task, got .0.0"), (np.nan, "responses: .* got nan"), (-1.0, "not negative")],
)
def test_a_baseline_that_is_not_positive_is_refused(value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_baseline(torch.full((4, 1), value))
