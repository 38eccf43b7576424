"""What stages took, on the report's page: sums by hand, and tables that are none."""

from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from sedlib.cluster.plan.jobs import Cost, Settled
from sedlib.cluster.stage_runs import keep, record, start
from sedlib.report.tabled.cost_tables import cost_tables


def test_stages_are_summed_by_kind(tmp_path: Path) -> None:
    start(tmp_path)
    for name, seconds, processor in (("a@x-1", 60.0, "one"), ("a@x-2", 90.0, "<b>two</b>"), ("report", 30.0, "one")):
        cost = Cost(seconds, 2 * seconds, 2**30, 1, processor, {"torch": "2"})
        record(tmp_path, Settled("dvc.yaml", name, {}, cost=cost))
    assert keep(tmp_path) == 3
    table = cost_tables(tmp_path / "reports")["costs"].set_index("stages of kind")
    assert list(table.loc["a"]) == [2, "1–1.5", "2–3", "5", "1,024", "1", "one; <b>two</b>", "torch 2"]
    assert list(table.loc["report"][["n", "minutes each"]]) == [1, "0.5"]


def test_a_report_without_costs_shows_none(tmp_path: Path) -> None:
    assert cost_tables(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "stage,minutes\na,1\n", "stage\n\x00", "{}"])
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "costs.csv").write_text(text)
    with pytest.raises(UserError, match=r"costs\.csv: expected the columns stage.*git checkout"):
        cost_tables(tmp_path)


@pytest.mark.parametrize("minutes", ["long", "inf", "", "-5"])
def test_minutes_that_are_no_numbers_are_refused(tmp_path: Path, minutes: str) -> None:
    rows = f"stage,minutes,core_minutes,peak_mib,threads,processor,versions\na,{minutes},1,1,1,x,y\n"
    (tmp_path / "costs.csv").write_text(rows)
    with pytest.raises(UserError, match=r"costs\.csv: expected the columns"):
        cost_tables(tmp_path)


def test_a_stage_that_a_merge_left_twice_counts_once_and_an_empty_table_is_none(tmp_path: Path) -> None:
    head = "stage,minutes,core_minutes,peak_mib,threads,processor,versions\n"
    (tmp_path / "costs.csv").write_text(f"{head}a@x,1,1,1,1,x,y\na@x,3,3,1,1,x,y\n")
    (row,) = cost_tables(tmp_path)["costs"].to_dict("records")
    assert (row["n"], row["minutes each"]) == (1, "3")
    (tmp_path / "costs.csv").write_text(head)
    assert cost_tables(tmp_path) == {}
    (tmp_path / "costs.csv").unlink()
    (tmp_path / "costs.csv").mkdir()
    with pytest.raises(UserError, match=r"costs\.csv: expected the columns"):
        cost_tables(tmp_path)
