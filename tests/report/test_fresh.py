"""The paper's seeds apart from fresh ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.numbers.collection import Collection, collect
from sedlib.report.numbers.paper_seeds import first_and_fresh
from sedlib.report.numbers.results import RunFolder
from sedlib.report.tabled.fresh_seeds import fresh_tables
from tests.report import made_up
from tests.report.made_up import EXPECTED


def collection(folder: Path, seeds: dict[str, int]) -> Collection:
    """Runs of made-up results under other seeds."""
    made_up.write(folder)
    for run, seed in seeds.items():
        made_up.save_summary(RunFolder(folder / run).summary() | {"seed": seed}, folder / run)
    return collect(folder, EXPECTED)


def test_a_mean_is_over_the_papers_seeds_and_fresh_ones_have_their_own(tmp_path: Path) -> None:
    numbers = metrics(collection(tmp_path, {"add-1": 42, "add-2": 7, "add-3": 2024, "both-1": 7}))
    first, fresh = (
        numbers["single_task"]["add"]["gradient_peak"],
        numbers["fresh"]["single_task"]["add"]["gradient_peak"],
    )
    assert (first["mean"], first["n"], first["42"], first["2024"]) == (84, 2, 42, 126)  # of 42, 84 and 126
    assert (fresh["mean"], fresh["n"], fresh["7"]) == (84, 1, 84)
    assert (numbers["multitask"], set(numbers["fresh"]["multitask"])) == ({}, {"add", "mul"})
    assert set(numbers["ladder"]) == {"add-1", "add-3"}
    assert set(numbers["fresh"]["ladder"]) == {"add-2", "both-1"}
    assert set(numbers["geometry"]) == {"add-1", "add-3"}
    assert set(numbers["fresh"]["geometry"]) == {"add-2", "both-1"}
    assert numbers["leads"]["single_task"]["n"] + numbers["fresh"]["leads"]["single_task"]["n"] <= 3
    assert set(numbers["derived"]["single_task"]["add"]["gradient_over_update"]) >= {"42", "2024"}
    assert "7" not in numbers["derived"]["single_task"]["add"]["gradient_over_update"]
    assert numbers["single_step"]["after"]["n"] == numbers["centroids"]["after"]["n"] == 1  # of add-1 and add-2


def test_the_shapes_of_both_agree(tmp_path: Path) -> None:
    numbers = metrics(collection(tmp_path, {"add-1": 42, "add-2": 7}))
    first, fresh = numbers["single_task"]["add"], numbers["fresh"]["single_task"]["add"]
    assert set(first) == set(fresh)
    assert set(first["grok_step"]) - {"42"} == set(fresh["grok_step"]) - {"3", "7"}


def test_without_any_of_the_papers_seeds_all_runs_are_the_first(tmp_path: Path) -> None:
    numbers = metrics(collection(tmp_path, {}))
    assert numbers["single_task"]["add"]["gradient_peak"]["n"] == 3
    assert not any(numbers["fresh"].values())
    assert fresh_tables(numbers)["fresh-seeds"]["verdict"].tolist() == ["not run"]


def test_a_control_of_a_papers_seed_does_not_make_the_other_runs_fresh(tmp_path: Path) -> None:
    found = collection(tmp_path, {})
    made_up.write_controls(tmp_path, accurate=True)
    quad = tmp_path / "quad-1"
    made_up.save_summary(RunFolder(quad).summary() | {"seed": 42}, quad)
    found = collect(tmp_path, replace(EXPECTED, runs=[*EXPECTED.runs, "quad-1"]))
    first, fresh = first_and_fresh(found)
    assert set(first.runs) == {"add-1", "add-2", "add-3", "both-1", "quad-1"}
    assert not fresh.runs


def test_two_fresh_runs_of_one_seed_are_refused(tmp_path: Path) -> None:
    collection(tmp_path, {"add-1": 42, "add-2": 7})
    made_up.write_run(tmp_path / "again-2", ["add"], 7)
    with pytest.raises(UserError, match="runs add-2 and again-2 learn the same operations from the same seed, 7"):
        metrics(collect(tmp_path, replace(EXPECTED, runs=["add-1", "add-2", "again-2"])))


def over(low: float, mean: float, high: float) -> dict[str, float]:
    return {"mean": mean, "low": low, "high": high, "n": 3}


@pytest.mark.parametrize(
    ("fresh", "said"),
    [
        (over(3, 4, 5), "larger: the intervals do not overlap"),
        (over(-2, -1, 0), "smaller: the intervals do not overlap"),
        (over(2, 4, 6), "not settled: the intervals overlap"),
        ({"mean": 4, "low": None, "high": None, "n": 1}, "not settled: fewer than 3 seeds"),
    ],
)
def test_the_table_says_whether_the_intervals_overlap(fresh: dict[str, float], said: str) -> None:
    numbers = {
        "multitask": {"mul": {"per_op_final": over(1, 2, 2.5)}},
        "fresh": {"multitask": {"mul": {"per_op_final": fresh, "update_final": fresh}}},
    }
    rows = fresh_tables(numbers)["fresh-seeds"].to_dict("records")
    assert [row["quantity"] for row in rows] == ["own gradient final", "update final"]
    assert [(row["runs"], row["operation"]) for row in rows] == [("multitask", "mul")] * 2
    assert (rows[0]["paper's seeds"], rows[0]["n"], rows[0]["n (fresh)"]) == ("2 [1, 2.5]", 3, fresh["n"])
    assert rows[0]["comparison"] == said
    assert (rows[1]["paper's seeds"], rows[1]["comparison"]) == ("–", "–")
