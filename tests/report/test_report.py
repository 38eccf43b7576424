"""The report from made-up results: its numbers by hand, its files, its bytes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.pipeline.parameters.ablation_params import AXES
from sedlib.report.claims.intervention_claims import SPEEDUPS
from sedlib.report.claims.verdicts import verdict
from sedlib.report.drawn.charts import COLOURS
from sedlib.report.judged.listing import claims
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.numbers import paper
from sedlib.report.numbers.cell_results import TABLED, read_cell
from sedlib.report.numbers.collection import Expected, collect
from sedlib.report.numbers.paper import Reported, exactly
from sedlib.report.numbers.seeds import Estimate
from sedlib.report.page.writing import write_report
from sedlib.report.tabled.paper_tables import tables
from sedlib.terms.conditions import CONDITIONS
from tests.report.made_up import EXPECTED, collection, save_cell, write, write_run


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return metrics(collection(tmp_path_factory.mktemp("results")))


@pytest.mark.parametrize(
    ("ours", "reported", "expected"),
    [
        (Estimate(5.0, 4.0, 6.0, 3), Reported(5.5, 9.0, ""), "inside"),
        (Estimate(5.0, None, None, 1), Reported(5.5, 9.0, ""), "same direction"),
        (Estimate(5.0, None, None, 1), exactly(5.4, ""), "inside"),
        (Estimate(0.5, None, None, 1), Reported(5.5, 9.0, ""), "contradicted"),
        (Estimate(2.0, None, None, 1), Reported(0.2, 0.6, ""), "contradicted"),
        (Estimate(0.9, None, None, 1), Reported(0.2, 0.6, ""), "same direction"),
        (Estimate(0.99, None, None, 1), Reported(1.01, 1.03, "", "no effect"), "inside"),
        (Estimate(1.5, None, None, 1), Reported(1.01, 1.03, "", "no effect"), "contradicted"),
        (Estimate(0.925, None, None, 1), Reported(0.05, 0.35, "", "size"), "outside"),
        (Estimate(23.0, None, None, 1), exactly(24.0, "", "size"), "inside"),
        (None, Reported(5.5, 9.0, ""), "not run"),
        (Estimate(0.9, None, None, 1), None, "not in the paper"),
    ],
)
def test_a_verdict_follows_the_rule(ours: Estimate | None, reported: Reported | None, expected: str) -> None:
    assert verdict(ours, reported) == expected


def test_the_keys_of_metrics_are_those_that_tools_expect(numbers: dict[str, Any]) -> None:
    streams = [f"{stream}_{what}" for stream in ("update", "gradient") for what in ("peak", "final", "plateau")]
    assert {"grok_step", *streams, "w1_peak", "w1_plateau"} <= set(numbers["single_task"]["add"])
    streams = [f"{stream}_{what}" for stream in ("update", "per_op", "aggregate", "w1") for what in ("peak", "final")]
    assert {"grok_step", *streams} <= set(numbers["multitask"]["mul"])
    assert {"mean", "low", "high", "n", "1", "2", "3"} == set(numbers["single_task"]["add"]["update_peak"])
    assert {"mean", "n", "speedup", "1", "2"} <= set(numbers["interventions"]["update"]["add"]["keep-sed-raw"])
    assert set(numbers["rank_sweep"]["131"]) == {"grok_step", "speedup", "passed"}
    assert set(numbers["ladder"]["add-1"]["ladder/step"]) == {"mean_before_grok", "peak"}
    assert {"peak", "final", "r1_peak"} <= set(numbers["ablation"]["window"]["20"])
    assert {"per_example", "mean_gradient", "window", "cosine"} <= set(numbers["single_step"]["after"])
    geometry = {"pc1_min", "pc1_max", "defect_growth", "onset", "lead", "share_over_random", "rho"}
    assert geometry <= set(numbers["geometry"]["both-1"])
    assert {"rank90_logit", "rank90_full", "top1_cosine", "top3_cosine"} <= set(numbers["centroids"]["init"])


def test_numbers_by_hand(numbers: dict[str, Any]) -> None:
    peak = numbers["single_task"]["add"]["gradient_peak"]  # 60 · seed · 1.4 / 2
    assert (peak["mean"], peak["low"], peak["high"], peak["n"]) == (84, 42, 126, 3)
    assert (peak["1"], peak["2"], peak["3"]) == (42, 84, 126)
    assert numbers["multitask"]["mul"]["aggregate_final"]["mean"] == 35
    assert numbers["multitask"]["mul"]["aggregate_final"]["low"] is None
    frozen = numbers["interventions"]["update"]["add"]["freeze"]
    assert (frozen["mean"], frozen["n"], frozen["speedup"]) == (20, 2, 2)
    assert numbers["rank_sweep"]["131"] == {"grok_step": 20, "speedup": 2, "passed": 0.5}
    never = {"grok_step": None, "reason": "not within 40 steps", "grokked": 0, "n": 1}
    assert numbers["weight_decay_0"]["freeze"] == never
    assert numbers["ladder"]["add-1"]["update"]["mean_before_grok"] == pytest.approx(1.2)
    window = {"peak": 41.6667, "final": 41.6667, "plateau": 41.6667, "r1_peak": 50, "n": 1}
    assert numbers["ablation"]["window"]["20"] == window
    assert numbers["single_step"]["after"]["per_example"] == 27 * 41
    assert numbers["single_step"]["init"]["window"] is None
    assert numbers["centroids"]["after"]["rank90_full"] == 110


def test_a_table_says_what_was_not_run(numbers: dict[str, Any]) -> None:
    found = tables(numbers)
    first = found["table1-single-task"].set_index(["operation", "quantity"])["verdict"]
    assert first["sub", "gradient peak"] == "not run"
    assert first["add", "gradient peak"] == "same direction"  # 42 to 126 against 202 to 229
    fourth = found["table4-update-projection"].set_index(["operation", "condition"])
    assert fourth.loc[("add", "remove-sed"), "verdict"] == "not run"
    assert fourth.loc[("add", "keep-random"), "verdict"] == "same direction"
    assert found["table3-single-checkpoint"]["verdict"].tolist()[2] == "no whole window"


def test_without_results_every_claim_and_table_is_not_run() -> None:
    empty: dict[str, Any] = {}
    assert set(claims(empty)["verdict"]) == {"not run"}
    for name, table in tables(empty).items():
        assert "not run" in table.to_numpy() or "not run" in table["verdict"].to_numpy(), name


def test_claims_by_hand(numbers: dict[str, Any]) -> None:
    expected = {
        "gradient-peak": "inside",  # 42 to 126 meets 110 to 330
        "update-peak": "inside",
        "gradient-over-update": "inside",  # 30
        "aggregation": "contradicted",  # 50 / 60
        "multitask-window": "contradicted",  # W = 1 twice as much
        "freeze": "contradicted",  # frozen as early
        "directions": "contradicted",  # 1 against 2
        "weight-decay-0": "not run",  # two of the three conditions are not there
        "window": "same direction",
    }
    by_text = claims(numbers).query("definition == 'text'")
    verdicts = by_text.set_index("name")["verdict"].to_dict()
    assert {name: verdicts[name] for name in expected} == expected


def test_the_paper_is_internally_consistent() -> None:
    """Means and spreads that the paper prints, from its own cells."""
    for (projection, op), means in paper.GROK_STEP_MEANS.items():
        for condition, mean in means.items():
            assert sum(paper.GROK_STEPS[projection, op, condition]) / 3 == pytest.approx(mean, abs=1)
    means = {op: sum(by_seed) / 3 for op, by_seed in paper.GRADIENT_PEAK.items()}
    assert means == pytest.approx({"add": 219.9, "sub": 191.1, "mul": 214.9, "sq": 120.7}, abs=0.1)
    assert max(means.values()) / min(means.values()) == pytest.approx(paper.GRADIENT_SPREAD.low, abs=0.01)
    peaks = paper.UPDATE_PEAK.values()
    assert max(peaks) / min(peaks) == pytest.approx(paper.UPDATE_SPREAD.low, abs=0.01)


def test_every_condition_that_the_paper_speaks_of_exists() -> None:
    named = {condition for _, _, condition in paper.GROK_STEPS} | {condition for _, condition in paper.CHANGES_NOTHING}
    named |= set(paper.NEVER_GROK_WITHOUT_DECAY)
    named |= {condition for means in paper.GROK_STEP_MEANS.values() for condition in means}
    named |= {condition for _, condition, _ in SPEEDUPS}
    assert named <= set(TABLED) <= set(CONDITIONS)
    assert set(TABLED) <= set(COLOURS)


@pytest.mark.slow
def test_two_renderings_have_equal_bytes_and_leave_nothing_old(tmp_path: Path) -> None:
    found = collection(tmp_path / "results")
    for name in ("first", "second"):
        (tmp_path / name / "tables").mkdir(parents=True)
        (tmp_path / name / "tables" / "old.csv").write_text("left from an earlier report")
        write_report(found, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert Path("tables/old.csv") not in files
    assert Path("figures/figure2-gradient-sed.png") in files
    assert len(files) > 50
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file
    assert (tmp_path / "first" / "index.html").stat().st_size < 6e6
    assert json.loads((tmp_path / "first" / "metrics.json").read_text()) == metrics(found)


@pytest.mark.slow
def test_what_is_missing_is_listed_with_its_command(tmp_path: Path) -> None:
    found = collection(tmp_path / "results")
    assert found.missing == {
        "run sub-1": "dvc repro figures@sub-1",
        "geometry of sub-1": "dvc repro geometry/dvc.yaml:trajectory@sub-1 geometry/dvc.yaml:curvature@sub-1",
        "cell add-1-update-remove-random": "dvc repro intervene@add-1-update-remove-random",
    }
    write_report(found, tmp_path / "reports")
    assert "dvc repro figures@sub-1" in (tmp_path / "reports" / "index.html").read_text()


def test_an_axis_that_was_not_ablated_is_listed_with_its_command(tmp_path: Path) -> None:
    write(tmp_path)
    for file in (tmp_path / "add-1/ablation").glob("batch_size.*"):
        file.unlink()
    found = collect(tmp_path, replace(EXPECTED, axes=list(AXES)))
    assert {name: command for name, command in found.missing.items() if "ablation" in name} == {
        "ablation of add-1 over batch_size": "dvc repro ablations/dvc.yaml:ablate_batch@add-1-batch_size"
    }


@pytest.mark.parametrize("run", ["add-1", "both-1"])
@pytest.mark.slow
def test_a_report_of_one_run_alone_can_be_written(tmp_path: Path, run: str) -> None:
    write(tmp_path / "results")
    alone = Expected([run], [], [], {}, 0.98)
    write_report(collect(tmp_path / "results", alone), tmp_path / "reports")
    summary = pd.read_csv(tmp_path / "reports" / "tables" / "table1-single-task.csv")
    assert "not run" in set(summary["verdict"])


def test_a_seed_that_never_groks_is_not_forgotten(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "interventions" / "add-2-update-freeze.csv"
    save_cell(read_cell(path).assign(test_accuracy=0.1), path.parent)
    found = metrics(collect(tmp_path, EXPECTED))
    frozen = found["interventions"]["update"]["add"]["freeze"]
    assert (frozen["mean"], frozen["n"], frozen["2"]) == (20, 1, None)
    assert frozen["reason"] == "never grokked: seed 2"
    table = tables(found)["table4-update-projection"].set_index(["operation", "condition"])
    assert "never grokked: seed 2" in str(table.loc[("add", "freeze"), "here: steps"])


def test_runs_that_are_not_independent_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write_run(tmp_path / "again-1", ["add"], 1)
    with pytest.raises(UserError, match="runs add-1 and again-1 learn the same operations from the same seed"):
        metrics(collect(tmp_path, replace(EXPECTED, runs=["add-1", "again-1"])))


def test_no_results_leave_an_earlier_report_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results in .*; compute them with `dvc repro`"):
        collect(tmp_path, EXPECTED)
