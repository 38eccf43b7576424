"""Runs of other operations, or with their own weight decay, change nothing that is said of the paper's runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sedlib.report.drawn.geometry_figures import geometry_figures
from sedlib.report.drawn.overview import overview
from sedlib.report.judged.listing import claims
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.numbers.collection import Collection, collect
from sedlib.report.tabled.geometry_tables import geometry_tables
from sedlib.report.tabled.paper_tables import tables
from tests.report import made_up
from tests.report.made_up import CONTROLS, EXPECTED, WITH_CONTROLS
from tests.report.test_geometry import by

OF_RUNS = {"geometry", "leads", "defect-growth", "gap-against-defect", "controls"}
"""Tables with rows for the controls."""


@pytest.fixture(scope="module", params=[False, True], ids=["never accurate", "accurate"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, Collection]:
    """The same results without and with controls, which reach no accuracy or, against all expectation, do."""
    folder = tmp_path_factory.mktemp("results")
    made_up.write(folder)
    made_up.write_controls(folder, accurate=request.param)
    return collect(folder, EXPECTED), collect(folder, WITH_CONTROLS)


@pytest.fixture
def never(tmp_path: Path) -> Collection:
    made_up.write(tmp_path)
    made_up.write_controls(tmp_path, accurate=False)
    return collect(tmp_path, WITH_CONTROLS)


def test_no_mean_claim_or_table_of_the_papers_runs_is_changed(both: tuple[Collection, Collection]) -> None:
    without, with_controls = (metrics(found) for found in both)
    assert list(with_controls["controls"]) == list(CONTROLS)
    for kind in ("single_task", "multitask"):
        assert {op: with_controls[kind][op] for op in without[kind]} == without[kind]
    for kind in ("single_task", "multitask"):
        assert with_controls["leads"][kind] == without["leads"][kind]
    now, then = (found[found["name"] != "defect-growth"] for found in map(claims, (with_controls, without)))
    pd.testing.assert_frame_equal(now, then)  # of the runs that do not grok the growth of the defect is the claim
    before, after = (tables(numbers) | geometry_tables(numbers) for numbers in (without, with_controls))
    for name in set(before) - OF_RUNS:
        pd.testing.assert_frame_equal(after[name], before[name], obj=name)
    rows = after["geometry"]["operation"].isin(before["geometry"]["operation"])
    pd.testing.assert_frame_equal(after["geometry"][rows], before["geometry"])


def test_nor_is_a_mean_over_single_checkpoints(both: tuple[Collection, Collection], tmp_path: Path) -> None:
    without, with_controls = both
    pair = without.single_steps["add-1"]
    more = replace(with_controls, single_steps={**without.single_steps, "quad-1": pair, "add-1-wd0": pair})
    for kind in ("single_step", "centroids"):
        assert metrics(more)[kind] == metrics(without)[kind]


def test_nor_is_a_figure(both: tuple[Collection, Collection]) -> None:
    """Every line of every panel, but for the controls' own figures."""
    without, with_controls = (overview(found, metrics(found)) | geometry_figures(found) for found in both)
    own = {name for name in with_controls if name.endswith("-controls")}
    assert len(own) == 4
    assert set(with_controls) - own == set(without)
    for name, figure in without.items():
        assert drawn(figure) == drawn(with_controls[name]), name


def drawn(figure: Figure) -> list[list[Any]]:
    """The points of every line, by panel."""
    return [[np.asarray(line.get_xydata()).tolist() for line in axes.lines] for axes in figure.axes]


def test_other_operations_are_there_without_a_grok_step(never: Collection) -> None:
    numbers = metrics(never)
    assert list(numbers["single_task"]) == ["add", "cubic", "quad"]  # mul-1-wd0 is no run of mul
    for op in ("quad", "cubic"):
        assert numbers["single_task"][op]["grok_step"]["mean"] is None
        assert numbers["single_task"][op]["grok_step"]["reason"] == "never grokked: seed 1"
        assert numbers["single_task"][op]["gradient_peak"]["n"] == 1
        assert numbers["controls"][f"{op}-1"]["experiment"] == op
    control = numbers["controls"]["mul-1-wd0"]
    assert control["experiment"] == "mul, weight decay 0"
    assert control["mul"] == {
        "grok_step": None,
        "update_peak": 1.96,
        "gradient_peak": 1764,
        "w1_peak": 7056,
        "reason": "test accuracy reached 0.100, not 0.98, within 40 steps",
    }
    row = list(by(tables(numbers)["controls"], "run")["mul-1-wd0"].values())
    assert row == ["mul-1-wd0", "mul, weight decay 0", "mul", control["mul"]["reason"], "1.96", "1,764", "7,056"]


def test_each_experiment_has_its_own_means_and_no_verdict(never: Collection) -> None:
    table = geometry_tables(metrics(never))["geometry"]
    by_experiment: dict[str, Any] = {str(name): rows for name, rows in table.groupby("operation", sort=False)}
    assert list(by_experiment) == ["add", "add+mul", "quad", "cubic", "add, weight decay 0", "mul, weight decay 0"]
    assert set(by_experiment["add"]["n"]) == {3}
    for name in list(by_experiment)[2:]:
        assert set(by_experiment[name]["n"]) == {1}
        assert set(by_experiment[name]["verdict"]) == {"not in the paper"}


def test_a_control_with_an_onset_is_a_false_alarm(never: Collection) -> None:
    numbers = metrics(never)
    assert numbers["leads"]["controls"] == {
        "false_alarms": 3,
        "gap_false_alarms": 4,
        "n": 4,
    }
    built = geometry_tables(numbers)
    leads = by(built["leads"], "runs")
    assert (leads["controls"]["onset"], leads["controls"]["n"]) == ("3 of 4: false alarms", 4)
    assert leads["cubic-1"]["verdict"] == "false alarm: test accuracy reached 0.100, not 0.9"
    assert leads["quad-1"]["verdict"].startswith("no defect above 20")
    growth = built["defect-growth"].set_index("run")
    titles = [axes.get_title("left") for axes in geometry_figures(never)["pc1-controls"].axes]
    assert titles == [f"{name} (n = 1)" for name in ("add, weight decay 0", "mul, weight decay 0", "quad", "cubic")]
    assert growth["groks"].tolist() == ["yes"] * 4 + ["no"] * 4
    assert growth.index.tolist()[4:] == list(CONTROLS)


def test_a_control_that_is_accurate_is_no_false_alarm_and_is_named(tmp_path: Path) -> None:
    made_up.write(tmp_path)
    made_up.write_controls(tmp_path, accurate=True)
    found = metrics(collect(tmp_path, WITH_CONTROLS))["leads"]["controls"]
    assert found == {"false_alarms": 0, "gap_false_alarms": 0, "n": 0, "reason": f"accurate: {', '.join(CONTROLS)}"}
