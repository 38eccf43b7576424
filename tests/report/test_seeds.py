import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedlib.base.errors import UserError
from sedlib.report.numbers.experiments import as_text, seed_means
from sedlib.report.numbers.seeds import Estimate, comparison, estimate


def test_the_interval_of_three_seeds_is_that_of_all_resamples() -> None:
    values = [1.0, 4.0, 10.0]
    means = [np.mean(chosen) for chosen in itertools.product(values, repeat=3)]  # all 27, equally likely
    found = estimate(values)
    assert found.mean == pytest.approx(5)
    assert found.low == pytest.approx(np.percentile(means, 2.5, method="inverted_cdf"))
    assert found.high == pytest.approx(np.percentile(means, 97.5, method="inverted_cdf"))


def test_many_seeds_have_the_interval_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(3, 1, 400).tolist()
    found = estimate(values)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=5))
def test_an_interval_holds_the_mean_and_lies_within_the_values(values: list[float]) -> None:
    found = estimate(values)
    assert found == estimate(values)
    assert found.low is not None
    assert found.high is not None
    room = 1e-9 * max(map(abs, values))
    assert min(values) - room <= found.low <= found.mean + room
    assert found.mean - room <= found.high <= max(values) + room


def test_fewer_than_three_seeds_have_no_interval() -> None:
    assert estimate([1.0, 3.0]) == Estimate(2.0, None, None, 2)
    assert str(estimate([1.0, 3.0])) == "2 (n = 2)"


@pytest.mark.parametrize("values", [[], [1.0, float("nan"), 2.0]])
def test_values_that_do_not_exist_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="an estimate needs finite values"):
        estimate(values)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Estimate(5.0, 4.0, 6.0, 3), Estimate(2.0, 1.0, 3.0, 3), "larger: the intervals do not overlap"),
        (Estimate(2.0, 1.0, 3.0, 3), Estimate(5.0, 4.0, 6.0, 3), "smaller: the intervals do not overlap"),
        (Estimate(4.0, 2.0, 6.0, 3), Estimate(2.0, 1.0, 3.0, 3), "not settled: the intervals overlap"),
        (Estimate(2.0, 1.0, 4.0, 3), Estimate(5.0, 4.0, 6.0, 3), "not settled: the intervals overlap"),
        (Estimate(2.0, None, None, 2), Estimate(5.0, 4.0, 6.0, 3), "not settled: fewer than 3 seeds"),
    ],
)
def test_no_more_is_said_than_the_intervals_carry(first: Estimate, second: Estimate, expected: str) -> None:
    assert comparison(first, second) == expected


def summary(seed: int, gradient: float, grokked: int | None) -> dict[str, Any]:
    numbers = {"plateau": gradient, "peak": 2 * gradient, "final": gradient}
    less = {name: value / 10 for name, value in numbers.items()}
    return {
        "seed": seed,
        "ops": {"add": {"grok_step": grokked, "streams": {"gradient/add W=20": numbers, "update W=20": less}}},
    }


def test_runs_that_are_not_independent_are_refused() -> None:
    with pytest.raises(UserError, match="runs a and b learn the same operations from the same seed, 1"):
        seed_means({"a": summary(1, 60, 100), "b": summary(1, 70, 100)})


def test_a_weight_decay_of_its_own_makes_another_experiment() -> None:
    without = {"a": summary(1, 60, 100), "b": summary(2, 80, 100)}
    own = {"c": summary(1, 6, None) | {"weight_decay": 0.0}, "d": summary(1, 8, None) | {"weight_decay": 0.5}}
    table = seed_means(without | own)
    means = table[table["quantity"] == "gradient/add W=20 plateau"].set_index("experiment")["estimate"]
    assert {name: (found.mean, found.n) for name, found in means.items()} == {
        "add": (70, 2),
        "add, weight decay 0": (6, 1),
        "add, weight decay 0.5": (8, 1),
    }
    heads = [line for line in as_text(table).splitlines() if line.startswith("add")]
    assert heads == ["add", "add, weight decay 0", "add, weight decay 0.5"]
    both = {"seed": 1, "weight_decay": 0.0, "ops": dict.fromkeys(("add", "mul"), summary(1, 6, None)["ops"]["add"])}
    assert "mul, learned with add+mul, weight decay 0" in as_text(seed_means({"e": both}))
    with pytest.raises(UserError, match="runs c and e learn the same operations from the same seed, 1, with"):
        seed_means(own | {"e": own["c"]})


def test_runs_of_the_same_operations_are_put_together() -> None:
    table = seed_means({"a": summary(1, 60, 100), "b": summary(2, 70, None), "c": summary(3, 80, 300)})
    by_quantity = table.set_index("quantity")
    assert by_quantity["estimate"]["gradient/add W=20 plateau"].mean == 70
    assert by_quantity["estimate"]["grok step"] == Estimate(200.0, None, None, 2)
    assert by_quantity["missing"]["grok step"] == [2]
    lines = as_text(table).splitlines()
    (plateau,) = [line for line in lines if "gradient/add W=20 plateau" in line]
    assert "larger: the intervals do not overlap" in plateau
    assert "(n = 3)" in plateau
