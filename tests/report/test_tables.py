"""Ladder, ablations and phases from made-up tables, by hand."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.pipeline.coupling.training_phases import phase_steps
from sedlib.pipeline.rows.streams import LADDER
from sedlib.report.numbers.ablated import ablation_table
from sedlib.report.numbers.phases import centroid_definitions, estimators
from sedlib.report.numbers.results import RunFolder, RunResults
from sedlib.report.numbers.rungs import RUNGS, ladder
from tests.report.made_up import save_ablation

STEPS = [0, 10, 20, 30, 40]


def coupling(ratios: dict[tuple[str, int], dict[int, list[float]]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"op": "add", "stream": stream, "window": window, "step": step, "direction": i, "ratio": ratio}
            for (stream, window), curve in ratios.items()
            for step, values in curve.items()
            for i, ratio in enumerate(values, 1)
        ]
    )


@pytest.fixture
def results() -> RunResults:
    """Grokked at step 30."""
    training = pd.DataFrame({"step": STEPS, "op": "add", "test_accuracy": [0.0, 0.1, 0.5, 0.99, 1.0]})
    centroids = pd.DataFrame(
        [
            {"step": step, "op": "add", "centroid": kind, "rank90": rank + step}
            | {"row_cosine": 0.5, "top1_cosine": 0.6, "top3_cosine": 0.7}
            for step in STEPS
            for kind, rank in (("logit", 60), ("full", 70))
        ]
    )
    ratios = {
        ("update", 2): {20: [4.0, 6.0], 30: [8.0, 10.0], 40: [1.0, 3.0]},
        ("ladder/momentum", 2): {10: [20.0], 20: [30.0], 30: [50.0], 40: [90.0]},
        ("gradient/add", 2): {10: [40.0, 60.0], 20: [70.0, 90.0], 40: [100.0, 200.0]},
        ("gradient/add", 1): {40: [300.0]},
    }
    empty = pd.DataFrame()
    return RunResults(training, empty, centroids, coupling(ratios))


def test_the_ladder_by_hand(results: RunResults) -> None:
    table = ladder(results, 0.98)
    assert pd.isna(table.loc[table["window"] == 1, "plateau"].item())  # no row of it before grokking
    table = table[table["window"] == 2]
    assert table["stream"].tolist() == ["gradient/add", "ladder/momentum", "update"]
    assert table["plateau"].tolist() == [65, 30, 7]
    assert table["mean"].tolist() == [65, pytest.approx(100 / 3), 7]
    assert table["peak"].tolist() == [150, 90, 9]
    assert table["low"].tolist() == [57.5, 25, 6]


def test_a_run_that_never_groks_has_peaks_but_nothing_before_grokking(results: RunResults) -> None:
    table = ladder(replace(results, training=results.training.assign(test_accuracy=0.5)), 0.98)
    assert table["plateau"].isna().all()
    assert table["peak"].notna().all()


def test_every_rung_has_its_place_and_a_new_one_is_not_left_out(results: RunResults) -> None:
    assert {f"ladder/{rung}" for rung in LADDER} == {rung for rung in RUNGS if rung.startswith("ladder/")}
    new = results.coupling.replace("ladder/momentum", "ladder/nesterov")
    assert ladder(replace(results, coupling=new), 0.98)["stream"].tolist()[:3] == [
        "gradient/add",
        "update",
        "ladder/nesterov",
    ]


def test_phases_are_the_first_the_middle_and_the_last(results: RunResults) -> None:
    assert phase_steps(results.training, STEPS, 0.98) == {"init": 0, "mid": 10, "after": 40}
    assert phase_steps(results.training, [0, 20, 40], 0.98) == {"init": 0, "mid": 20, "after": 40}
    assert phase_steps(results.training, STEPS, 0.999) == {"init": 0, "mid": 20, "after": 40}


def test_a_run_that_never_groks_has_no_phase_after_it(results: RunResults) -> None:
    never = results.training.assign(test_accuracy=0.5)
    assert phase_steps(never, STEPS, 0.98) == {"init": 0, "mid": 20}


def ablated(folder: Path, axis: str) -> None:
    rows = [
        {"axis": axis, "value": value, "op": "add", "step": step, "direction": i, "ratio": factor * step / i}
        for value, factor in (("logit", 1), ("full", 2))
        for step in STEPS[1:]
        for i in (1, 2)
    ]
    save_ablation(pd.DataFrame(rows), folder, axis)


def test_the_table_of_ablations_by_hand(results: RunResults, tmp_path: Path) -> None:
    ablated(tmp_path, "centroid")
    table = ablation_table(results, RunFolder(tmp_path), 0.98)
    assert table.to_numpy().tolist() == [
        ["centroid", "logit", "add", 15, 30, 30, 40, 40],
        ["centroid", "full", "add", 30, 60, 60, 80, 80],
    ]


def test_no_ablation_names_the_remedy(results: RunResults, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"name the run under ablation.runs and run `dvc repro ablations/dvc.yaml`"):
        ablation_table(results, RunFolder(tmp_path), 0.98)


def test_both_centroids_at_each_phase(results: RunResults) -> None:
    single = pd.DataFrame(
        [
            {"phase": phase, "step": step, "op": "add", "estimator": estimator, "centroid": kind, "ratio": step + more}
            for phase, step in (("init", 0), ("after", 40))
            for estimator in ("per-example", "window")
            if (phase, estimator) != ("init", "window")  # not whole yet
            for kind, more in (("logit", 1.0), ("logit", 3.0), ("full", 7.0))
        ]
    )
    table = centroid_definitions(results.centroids, single)
    assert table["phase"].tolist() == ["init", "after"]
    assert table[["rank90_logit", "rank90_full"]].to_numpy().tolist() == [[60, 70], [100, 110]]
    assert table[["per-example_logit", "per-example_full"]].to_numpy().tolist() == [[2, 7], [42, 47]]
    assert pd.isna(table["window_logit"][0])
    assert table["window_full"][1] == 47
    with pytest.raises(UserError, match=r"single_step\.csv has add at step 5, which centroids\.csv lacks"):
        centroid_definitions(results.centroids, single.replace({"step": {40: 5}}))


def test_estimators_have_their_means_and_cosine() -> None:
    single = pd.DataFrame(
        [
            {"phase": phase, "step": step, "op": "add", "estimator": estimator, "centroid": kind, "ratio": ratio}
            for kind, far in (("logit", 0), ("full", 1000))
            for phase, step in (("mid", 10), ("init", 0))
            for estimator, ratio in (
                ("per-example", 1.0 + step + far),
                ("per-example", 3.0 + step + far),
                ("mean-gradient", 9.0),
            )
        ]
    )
    angles = pd.DataFrame(
        [
            {
                "phase": phase,
                "step": step,
                "op": "add",
                "first": "per-example",
                "second": second,
                "first_cosine": cosine,
            }
            for phase, step in (("mid", 10), ("init", 0))
            for second, cosine in (("mean-gradient", 0.3), ("lanczos", 1.0))
        ]
    )
    table = estimators(single, angles)
    assert table["phase"].tolist() == ["init", "mid"]
    assert table["per-example"].tolist() == [2, 12]
    assert table["cosine"].tolist() == [0.3, 0.3]
