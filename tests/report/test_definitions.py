"""Each claim under each definition, why it deviates, and how many seeds would settle it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sedlib.report.by_scripts.early_pc1 import FIRST_LAYER as FIRST_LAYER_NAMES
from sedlib.report.by_scripts.early_pc1 import pc1_until, third_evaluation
from sedlib.report.by_scripts.stop_steps import stop_step
from sedlib.report.causes.other_causes import OTHER_CAUSES, cause_under
from sedlib.report.causes.text_causes import CAUSES, DEVIATES, NOTHING_TRIED, Cause, Found, NotFound, cause_of
from sedlib.report.claims.claim import Claim, Compared, Implied, Source
from sedlib.report.claims.definitions import (
    DEFINITIONS,
    FIRST_LAYER,
    LATE,
    MEMORISED,
    PERMUTED,
    PLATEAU,
    STOP_STEP,
    TEXT,
    THIRD_EVALUATION,
    WEIGHTS,
)
from sedlib.report.claims.other_definitions import JUDGES
from sedlib.report.claims.settling import settled_with
from sedlib.report.drawn.null_figure import null_figure
from sedlib.report.judged.listing import QUESTIONS, all_claims, claims
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.metrics.derived import derived
from sedlib.report.metrics.null_numbers import over_permuted
from sedlib.report.metrics.rounding import over_seeds
from sedlib.report.metrics.seeds_needed import deviation_of, seeds_needed
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import Estimate, estimate
from sedlib.report.page.writing import all_tables
from tests.imports import ROOT
from tests.report.made_up import collection


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "reports/metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return metrics(collection(tmp_path_factory.mktemp("results")))


def faults(claim: Claim, cause: Cause | None, tables: dict[str, pd.DataFrame]) -> str | None:
    """What is wrong with the cause of a claim that deviates, under whichever definition."""
    if cause is None or str(cause) == str(NotFound(NOTHING_TRIED)):
        return "has no cause, nor says what was tried"
    if isinstance(cause, Found) and cause.definition:
        return (
            None if cause.definition in DEFINITIONS and claim.name in JUDGES else "is judged under no other definition"
        )
    if isinstance(cause, Found):
        beside = ROOT / f"{cause.table}.csv"  # of a sweep
        table = pd.read_csv(beside) if "/" in str(cause.table) else tables.get(str(cause.table))
        shows = table is not None and bool((table.astype(str) == cause.row).any(axis=None))
        if not shows and table is not None:  # a row is named by its first two cells as well
            shows = cause.row in (table.iloc[:, :2].astype(str).agg(" ".join, axis=1)).tolist()
        return None if shows else f"names no row of {cause.table}.csv: {cause.row}"
    return None


def test_every_claim_that_deviates_has_a_cause_with_its_row_or_what_was_tried(committed: dict[str, Any]) -> None:
    tables = all_tables(committed)
    deviating = [claim for claim in all_claims(committed) if claim.verdict in DEVIATES]
    assert len(deviating) > 10
    assert {claim.name: fault for claim in deviating if (fault := faults(claim, cause_of(claim), tables))} == {}


def test_a_claim_that_deviates_under_another_definition_has_a_cause_of_its_own(committed: dict[str, Any]) -> None:
    tables = all_tables(committed)
    deviating = [
        (claim, judged) for claim in all_claims(committed) for judged in claim.others if judged.verdict in DEVIATES
    ]
    assert len(deviating) > 5
    assert {
        (claim.name, judged.definition): fault
        for claim, judged in deviating
        if (fault := faults(claim, cause_under(claim, judged), tables))
    } == {}
    claim, judged = deviating[0]
    unknown = cause_under(claim, replace(judged, definition="something new"))
    assert faults(claim, unknown, {}) == "has no cause, nor says what was tried"


def test_each_row_of_a_claim_shows_the_cause_under_its_own_definition() -> None:
    late = {"mean": 0.9, "low": None, "high": None, "n": 1}
    ratios = {"sq": {"w1_over_gradient": {**late, "mean": 2}, "late_w1_over_gradient": late}}
    rows = claims({"derived": {"single_task": ratios}}).query("name == 'ceiling'").set_index("definition")
    assert rows["verdict"].to_dict() == {TEXT: "same direction", LATE: "contradicted"}
    assert rows["cause of the deviation"][TEXT] == str(CAUSES["ceiling"])
    assert rows["cause of the deviation"][LATE] == str(OTHER_CAUSES["ceiling", LATE])


def test_a_claim_without_a_cause_or_with_a_row_that_is_not_there_is_found_out(committed: dict[str, Any]) -> None:
    (claim,) = [claim for claim in all_claims(committed) if claim.name == "freeze"]
    unknown = replace(claim, name="something new")
    assert faults(unknown, cause_of(unknown), {}) == "has no cause, nor says what was tried"
    gone = Found("It is.", "table4-update-projection", "a row that is not there")
    assert "names no row" in str(faults(claim, gone, all_tables(committed)))
    assert faults(claim, Found("It is.", definition=STOP_STEP), {}) == "is judged under no other definition"


def test_causes_and_definitions_are_of_claims_that_exist() -> None:
    names = {name for of in QUESTIONS.values() for name in of}
    assert set(CAUSES) <= names
    assert {name for name, _ in OTHER_CAUSES} <= set(JUDGES) <= names
    assert {definition for _, definition in OTHER_CAUSES} <= set(DEFINITIONS) - {TEXT}


def test_a_claim_that_holds_shows_no_cause() -> None:
    holds = Claim("freeze", "", "", "", "", "inside", "", Source(None, "", ""))
    assert cause_of(holds) is None
    assert isinstance(cause_of(replace(holds, verdict="contradicted")), Found)


def test_the_companions_share_is_judged_under_both_definitions(made_up: dict[str, Any]) -> None:
    table = claims(made_up)
    rows = table[table["name"] == "share"].set_index("definition")
    assert rows["verdict"].to_dict() == {TEXT: "inside", WEIGHTS: "inside", MEMORISED: "inside"}
    assert rows.loc[TEXT, "here"] == "add 2 [2, 2]"
    for run, values in made_up["geometry"].items():
        if run.startswith("add"):
            values["weights_share_memorised"] = 0.7
    said = claims(made_up).query("name == 'share'").set_index("definition")["verdict"]
    assert said.to_dict() == {TEXT: "inside", WEIGHTS: "inside", MEMORISED: "contradicted"}


def test_pc1_of_the_first_layer_is_judged_apart(made_up: dict[str, Any]) -> None:
    for run, values in made_up["geometry"].items():
        if run.startswith("add"):
            values |= {"pc1_min_stopped": 60.0, "pc1_max_stopped": 80.0}
            values |= {"pc1_min_first_layer": 68.5, "pc1_max_first_layer": 80.0}
    said = claims(made_up).query("name == 'pc1'").set_index("definition")["verdict"]
    assert said[THIRD_EVALUATION] == "outside"
    assert said[FIRST_LAYER] == "inside"


def test_peaks_are_judged_by_two_other_readings_of_the_curve(made_up: dict[str, Any]) -> None:
    """Ratios are 60 seed (1 + step / 100) / W at W = 1 and 2, at steps 10 to 40; all grok at 30."""
    table = claims(made_up)
    here = {name: rows.set_index("definition")["here"] for name, rows in table.groupby("name")}
    assert here["gradient-peak"].loc[[TEXT, LATE, PLATEAU]].tolist() == [
        "add 84 [42, 126]",
        "add 75 [37.5, 112]",
        "add 72 [36, 108]",
    ]
    assert here["ceiling"].loc[[TEXT, LATE, PLATEAU]].tolist() == ["add 2 [2, 2]"] * 3
    assert here["gradient-over-update"][PLATEAU] == "add 30 [30, 30]"
    assert set(here["update-peak"].index) == {TEXT, LATE, PLATEAU}


def test_the_spread_over_operations_is_judged_by_each_reading() -> None:
    levels = {"add": 2.0, "sub": 1.0, "mul": 3.0, "sq": 1.0}
    quantities = {"update_peak": 2.0, "gradient_peak": 1.0, "update_plateau": 1.0, "gradient_plateau": 2.0}
    single = {
        op: {name: over_seeds({42: level**power}) for name, power in quantities.items()} for op, level in levels.items()
    }
    rows = claims({"single_task": single, "derived": derived({"single_task": single})}).query("name == 'op-spread'")
    assert rows.set_index("definition")["verdict"].to_dict() == {TEXT: "same direction", PLATEAU: "contradicted"}
    assert rows.set_index("definition")["here"][PLATEAU] == "update 3, gradient 9"


def test_speedups_are_judged_at_the_stop_step_too() -> None:
    speedup = {"speedup": 3.2, "speedup_low": 3.0, "speedup_high": 3.4, "speedup_n": 3}
    stop = {"speedup": 2.4, "speedup_low": 2.2, "speedup_high": 2.5, "speedup_n": 3}
    numbers = {"interventions": {"gradient": {"add": {"keep-random": {**speedup, "stop": stop}}}}}
    (claim,) = [claim for claim in all_claims(numbers) if claim.name == "gradient-keep-random"]
    assert claim.verdict == "same direction"
    assert [(judged.definition, judged.verdict) for judged in claim.others] == [(STOP_STEP, "inside")]


def test_counts_are_of_the_text_alone(made_up: dict[str, Any]) -> None:
    table = claims(made_up)
    assert len(table) > table["name"].nunique() == sum(map(len, QUESTIONS.values()))
    assert (table["definition"] == TEXT).sum() == table["name"].nunique()


def curve(accuracies: list[float], every: int = 25) -> pd.DataFrame:
    steps = range(0, every * len(accuracies), every)
    return pd.DataFrame({"step": steps, "op": "add", "test_accuracy": accuracies})


def test_the_stop_step_is_that_of_the_twentieth_evaluation_in_a_row_or_not() -> None:
    assert stop_step(curve([0.1, *[0.99] * 10, 0.5, *[0.99] * 15]), "add", 0.98) == 25 * 21
    assert stop_step(curve([0.1, *[0.99] * 5]), "add", 0.98) == 25 * 20  # 5 were seen, 15 more would follow
    assert stop_step(curve([0.1, 0.9]), "add", 0.98) is None


def test_the_companions_scripts_stop_at_the_third_evaluation_in_a_row() -> None:
    training = curve([0.1, 0.99, 0.99, 0.5, 0.99, 0.99, 0.99, 0.99], every=100)
    assert third_evaluation(training, 0.98) == 600
    assert third_evaluation(training.assign(op="add"), 0.995) is None
    names = ["layer 0 W_Q", "layer 0 W_Q", "layer 1 W_Q"]
    windows = pd.DataFrame({"step": [500, 600, 600], "matrix": names, "pc1_percent": [1.0, 70.0, 80.0]})
    assert pc1_until(windows, 600) == (70, 80)
    assert pc1_until(windows, 600, FIRST_LAYER_NAMES) == (70, 70)
    assert pc1_until(windows, None) == (None, None)


@pytest.mark.parametrize(
    ("mean", "deviation", "bound", "n"), [(1.2, 0.1, 1.0, 4), (2.0, 0.1, 1.0, 3), (1.0, 0.5, 1.0, None)]
)
def test_seeds_needed_by_hand(mean: float, deviation: float, bound: float, n: int | None) -> None:
    """Student's quantile: 4.303 at three seeds, 3.182 at four."""
    assert seeds_needed(mean, deviation, bound) == n


def test_with_as_many_seeds_as_needed_the_interval_decides() -> None:
    """Of samples with the mean and deviation that were seen, in 95 % the interval with n seeds leaves the bound out."""
    n = seeds_needed(1.0, 0.5, 0.8)
    assert n is not None
    random = np.random.default_rng(0)
    sample = random.normal(size=n)
    sample = 1.0 + 0.5 * (sample - sample.mean()) / sample.std(ddof=1)
    half = 2.06 * sample.std(ddof=1) / np.sqrt(n)
    assert sample.mean() - half > 0.79
    nearer = seeds_needed(1.0, 0.5, 0.9)
    assert nearer is not None
    assert nearer > 3 * n  # half as far, four times as many


def test_the_deviation_of_three_seeds_is_exact_and_of_more_nearly_so() -> None:
    values = [1.0, 4.0, 2.5]
    assert deviation_of(estimate(values)) == pytest.approx(np.std(values, ddof=1), rel=1e-3)
    many = np.random.default_rng(1).normal(3, 2, 200).tolist()
    assert deviation_of(estimate(many)) == pytest.approx(np.std(many, ddof=1), rel=0.1)
    assert deviation_of(estimate([1.0, 2.0])) is None


def test_only_an_interval_over_an_edge_needs_more_seeds() -> None:
    def of(low: float, mean: float, high: float, **options: Any) -> str | None:
        row = Compared("add", Estimate(mean, low, high, 3), options.get("paper"))
        claim = Claim("a", "", "", "", "", "", "", Source(None, "", ""), [row], options.get("implied"))
        return settled_with(claim)

    paper = Reported(2.0, 3.0, "made up")
    assert of(2.1, 2.2, 2.3, paper=paper) is None
    assert of(1.9, 2.1, 2.3, paper=paper) is not None
    assert of(0.9, 1.1, 1.3, implied=Implied(1.0, np.inf, "at least 1")) is not None
    assert of(1.8, 2.0, 2.2, paper=paper) == "more than 1,000"


def test_a_rule_that_compares_two_numbers_needs_seeds_for_their_difference() -> None:
    """And not for either number to leave the paper's range, from which both are far or over whose edge both reach."""
    rows = [Compared("a", Estimate(2.0, 1.5, 2.5, 3), Reported(2.1, 3.0, "made up"))]
    claim = Claim("a", "", "", "", "", "contradicted", "", Source(None, "", ""), rows)
    by_row = settled_with(claim)
    assert by_row is not None
    assert settled_with(replace(claim, contrast=estimate([0.1, 0.2, 0.3]))) is None
    needed = settled_with(replace(claim, contrast=estimate([0.13, 0.9, -0.44])))
    assert (
        needed
        == f"{seeds_needed(float(np.mean([0.13, 0.9, -0.44])), float(np.std([0.13, 0.9, -0.44], ddof=1)), 0.0):,}"
    )
    assert needed != by_row


def test_too_few_seeds_are_called_so_and_not_settled() -> None:
    rows = [Compared("a", Estimate(2.0, None, None, 3), None), Compared("b", Estimate(2.0, None, None, 1), None)]
    claim = Claim("a", "", "", "", "", "contradicted", "", Source(None, "", ""), rows)
    assert settled_with(claim) == "unknown: one seed"
    assert settled_with(replace(claim, rows=rows[:1])) is None
    assert settled_with(replace(claim, verdict="not in the paper")) is None
    assert settled_with(replace(claim, rows=[Compared("a", estimate([1.0, 2.0]), None)])) == "unknown: two seeds"


def test_each_definition_has_its_own_number_of_seeds() -> None:
    ratio = {"mean": 2.0, "low": 1.8, "high": 2.2, "n": 3}
    late = {"mean": 0.93, "low": 0.82, "high": 1.05, "n": 3}
    ratios = {"sq": {"w1_over_gradient": ratio, "late_w1_over_gradient": late}}
    rows = claims({"derived": {"single_task": ratios}}).query("name == 'ceiling'").set_index("definition")
    assert rows["settled with"][TEXT] == "–"
    assert int(rows["settled with"][LATE]) > 3


def test_the_spread_is_decided_by_the_difference_of_each_seed(committed: dict[str, Any]) -> None:
    """Where the report has that difference."""
    spreads = derived(committed)["spread"]
    (claim,) = [claim for claim in all_claims(committed | {"derived": derived(committed)}) if claim.name == "op-spread"]
    assert claim.contrast is not None
    assert claim.contrast.mean == pytest.approx(spreads["gradient"]["mean"] - spreads["update"]["mean"], rel=1e-4)
    settled = settled_with(claim)
    assert settled is not None
    assert int(settled) < 61  # which the gradient's own spread would need to leave the paper's edge


def test_own_answers_are_set_against_permuted_ones_run_by_run(tmp_path: Path) -> None:
    found = collection(tmp_path)
    table = pd.DataFrame(
        [
            {"step": step, "op": "add", "window": window, "ratio": ratio * window, "permuted_mean": 10.0, "n": 5}
            for step, ratio in ((10, 10.0), (20, 20.0), (30, 40.0), (40, 5.0))
            for window in (1, 2)
        ]
    )
    numbers = over_permuted(replace(found, permuted={"add-1": table, "both-1": table}))
    assert set(numbers) == {"add"}
    readings = {name: values["mean"] for name, values in numbers["add"].items()}
    assert readings == {"plateau": 4, "peak": 8, "final": 1}  # the median of 2, 4 and 8 to step 30
    judged = claims({"permuted": numbers}).query("name == 'gradient-peak'").set_index("definition")
    assert judged.loc[PERMUTED, "here"] == "add 4"
    assert null_figure(replace(found, permuted={"add-1": table}))
    assert null_figure(found) == {}
