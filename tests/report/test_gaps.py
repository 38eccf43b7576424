"""The gap's onset beside the defect's, from made-up tables, by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sedlib.report.drawn.geometry_figures import geometry_figures
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.numbers.collection import Collection, collect
from sedlib.report.numbers.gap_onsets import first_onset, gap_numbers, how_often_first, update_gaps
from sedlib.report.tabled.geometry_tables import geometry_tables
from tests.report import made_up
from tests.report.made_up import WITH_CONTROLS, collection
from tests.report.test_geometry import by

COARSE, FINE = np.arange(0, 1000, 200), np.arange(500, 1000, 25)


def spectra(g23: list[float], ratios: list[float]) -> pd.DataFrame:
    """Of the update, and of another stream that must not count."""
    own = pd.DataFrame({"step": FINE[: len(g23)], "stream": "update", "window": 20, "g23": g23, "ratio23": ratios})
    return pd.concat([own.assign(stream="gradient/add", g23=[1.0, 99] * (len(own) // 2)), own])


def curvature(defects: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"step": COARSE, "defect": np.array(defects, float)})


def test_numbers_by_hand() -> None:
    found = gap_numbers(spectra([3, 3, 3, 3, 0.2, 9], [1.1, 1.3, 1.2, 1.1, 1.1, 7]), curvature([1, 1, 1, 30, 90]), 625)
    assert found == {
        "gap_from": 500,
        "gap_onset": 600,
        "gap_lead": 25,
        "gap_peak": 525,  # 7 comes after the accuracy
        "gap_peak_lead": 100,
        "first_onset": "not settled",  # the defect rose at some step after 400, up to 600
    }


def test_what_does_not_exist_has_a_reason() -> None:
    never = gap_numbers(spectra([3.0] * 6, [1.1] * 6), curvature([1.0] * 5), None)
    reason = never.pop("gap_reason")
    assert (never.pop("gap_from"), set(never.values())) == (500, {None})
    assert reason == "g₂₃ changes by less than a factor of 10; no accurate step"
    early = gap_numbers(spectra([3.0] * 6, [1.1] * 6), curvature([1.0] * 5), 500)
    assert early["gap_reason"].endswith("; no whole window before the accurate step")
    false_alarm = gap_numbers(spectra([3.0] * 5 + [31], [1.1] * 6), curvature([1.0] * 5), None)
    assert (false_alarm["gap_onset"], false_alarm["gap_lead"], false_alarm["first_onset"]) == (625, None, "gap")
    short = spectra([3.0] * 6, [1.1] * 6).assign(g23=None, ratio23=None)
    assert update_gaps(short).empty
    without = gap_numbers(short, curvature([1.0] * 5), 625)
    assert (without["gap_from"], without["gap_onset"]) == (None, None)
    assert without["gap_reason"].endswith("no window of three rows")


@pytest.mark.parametrize(
    ("gap", "defect", "expected"),
    [
        (600, 800, "gap"),  # the defect had not risen at 600
        (625, 800, "not settled"),
        (800, 800, "not settled"),
        (825, 800, "defect"),  # the gap had not changed at 800
        (975, 800, "defect"),
        (600, None, "gap"),
        (None, 800, "defect"),
        (975, 600, "defect"),  # one window after the gap's baseline
        (975, 550, "not settled"),  # the gap may have changed within its baseline
        (None, 400, "not settled"),
        (None, None, None),
    ],
)
def test_no_more_is_said_of_the_order_than_the_measurements_carry(
    gap: int | None, defect: int | None, expected: str | None
) -> None:
    assert first_onset(FINE, gap, COARSE, defect) == expected


def test_firsts_are_counted() -> None:
    found = how_often_first(["gap", "gap", "not settled", None])
    assert found == {"gap_first": 2, "defect_first": 0, "not_settled": 1}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return collection(tmp_path_factory.mktemp("results"))


def test_metrics_have_both_alarms_of_every_run(found: Collection) -> None:
    numbers = metrics(found)
    first = numbers["geometry"]["add-1"]
    names = ("onset", "lead", "gap_onset", "gap_lead", "gap_peak", "gap_peak_lead", "first_onset")
    assert [first[name] for name in names] == [20, 10, 30, 0, 10, 20, "not settled"]
    gap = numbers["leads"]["single_task"]["gap"]
    assert (gap["positive"], gap["n"], gap["mean"], gap["p_value"]) == (0, 3, 0, 1)
    assert (gap["gap_first"], gap["defect_first"], gap["not_settled"]) == (0, 0, 3)


def test_the_table_has_a_row_per_run_and_kind(tmp_path: Path) -> None:
    made_up.write(tmp_path)
    made_up.write_controls(tmp_path, accurate=False)
    table = geometry_tables(metrics(collect(tmp_path, WITH_CONTROLS)))["gap-against-defect"]
    rows = by(table, "runs")
    assert list(rows["add-2"].values()) == ["add-2", "20", "10", "0", "30", "0", "10", "20", "30", "not settled"]
    assert rows["single task"]["which first"] == "gap 0, defect 0, not settled 3"
    assert (rows["single task"]["defect lead"], rows["single task"]["gap lead"]) == ("mean 10", "mean 0")
    assert (rows["quad-1"]["σ₂/σ₃ peak"], rows["quad-1"]["which first"]) == ("–", "gap")
    assert (rows["controls"]["defect onset"], rows["controls"]["gap onset"]) == ("3 of 4", "4 of 4")


def test_the_figure_marks_onsets_peak_and_grok_step(found: Collection) -> None:
    figure = geometry_figures(found)["gap-against-defect"]
    left, right = figure.axes
    lines: dict[str, Any] = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in left.lines}
    assert lines["defect / its first three"] == [[0, 1], [10, 1], [20, 25], [30, 100], [40, 100]]
    assert lines["g₂₃ / its first three"] == [[0, 1], [10, 1], [20, 1], [30, 0.05], [40, 0.05]]
    assert (lines["onset of defect"], lines["onset of g₂₃"]) == ([[20, 25]], [[30, 0.05]])
    assert lines["grok step"] == [[30, 0], [30, 1]]
    assert np.asarray(right.lines[1].get_xydata()).tolist() == [[10, 1.8]]
    assert left.get_yscale() == "log"
    assert left.get_xlim() == right.get_xlim()


def test_without_windows_of_three_rows_there_is_no_figure(found: Collection) -> None:
    runs = {run: replace(results, spectra=results.spectra.assign(g23=None)) for run, results in found.runs.items()}
    assert "gap-against-defect" not in geometry_figures(replace(found, runs=runs))
