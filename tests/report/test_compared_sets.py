"""Two sets of summaries side by side, from results made up."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.described.described_files import write_described
from sedlib.base.described.description import Origin
from sedlib.base.errors import UserError
from sedlib.base.strict_json import json_text
from sedlib.cli import main
from sedlib.report.metrics.compared_sets import (
    QUANTITIES,
    compared,
    differences,
    numbers_of,
    side_by_side,
    summaries_in,
)
from sedlib.terms.tables.summary_file import SUMMARY
from tests.report import made_up


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two folders of the same runs; in the second add-2 has its peaks of add-3, and add-1 is not there."""
    for name in ("first", "second"):
        made_up.write(tmp_path / name)
    shutil.rmtree(tmp_path / "second/add-1")
    made_up.write_run(tmp_path / "second/add-2", ["add"], 3)
    return tmp_path


def test_cells_have_both_numbers_of_the_runs_that_both_sets_have(results: Path) -> None:
    first, second = (numbers_of(summaries_in(results / name)) for name in ("first", "second"))
    table = side_by_side(first, second).set_index("run")
    assert list(table.index) == ["add-2", "add-3", "both-1, add", "both-1, mul"]
    assert table.loc["add-2", "grok step"] == "30 / 30"
    assert table.loc["add-2", "gradient, peak"] == "84 / 126"
    assert table.loc["add-3", "gradient, peak"] == "126 / 126"


def test_differences_are_said_in_words_with_the_runs_of_one_set_alone(results: Path) -> None:
    first, second = (numbers_of(summaries_in(results / name)) for name in ("first", "second"))
    found = differences(first, second)
    assert "grok step: moves by 0 to 0 steps" in found
    assert "gradient, peak: moves by +0 to +50 %, half of the runs by 0.0 % at most" in found
    assert found[-1] == "in the first set alone: add-1"


def test_runs_of_other_settings_are_said_to_be(results: Path) -> None:
    summary = summaries_in(results / "second")["add-3"] | {"grok_threshold": 0.5}
    summary["ops"]["add"]["streams"] = {
        key.replace("W=2", "W=5"): numbers for key, numbers in summary["ops"]["add"]["streams"].items()
    }
    write_described(
        results / "second/add-3/summary.json",
        json_text(summary).encode(),
        SUMMARY,
        Origin("add-3", '{"optimizer": {"lr": 0.1}}'),
    )
    text = compared(results / "first", results / "second")
    assert "- optimizer.lr: – in the first set, 0.1 in the second, of add-3." in text
    assert "- grok_threshold: 0.98 in the first set, 0.5 in the second, of add-3." in text
    assert "- windows: [1, 2] in the first set, [1, 5] in the second, of add-3." in text


def test_parameters_that_are_no_mapping_are_none(results: Path) -> None:
    summary = summaries_in(results / "second")["add-3"]
    content = json_text(summary).encode()
    write_described(results / "second/add-3/summary.json", content, SUMMARY, Origin("add-3", "[1]"))
    assert "add-3" in compared(results / "first", results / "second")


def test_a_run_without_a_stream_has_no_number_of_it(results: Path) -> None:
    for name in ("first", "second"):
        summary = summaries_in(results / name)["add-3"]
        streams = summary["ops"]["add"]["streams"]
        summary["ops"]["add"]["streams"] = {key: found for key, found in streams.items() if "update" not in key}
        made_up.save_summary(summary, results / name / "add-3")
    assert "– / –" in compared(results / "first", results / "second")


def test_the_command_prints_the_table_and_the_differences_and_unpacks_nothing(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    main(["compare", str(results / "first"), str(results / "second")])
    assert capsys.readouterr().out == compared(results / "first", results / "second")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_folder_of_results_is_refused_with_what_would_be(results: Path) -> None:
    (results / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: expected results of runs, .* name a folder such as artifacts/results"):
        compared(results / "empty", results / "first")
    for run in ("add-2", "add-3", "both-1"):
        shutil.rmtree(results / "second" / run)
    made_up.write_run(results / "second/sub-9", ["sub"], 1)
    with pytest.raises(UserError, match=r"with a run in common, found add-1, .* in one and sub-9 in the other"):
        compared(results / "first", results / "second")


def test_a_run_that_groks_in_one_set_alone_is_named() -> None:
    names = ["grok step", *QUANTITIES]
    first = pd.DataFrame([[2775.0] * len(names), [2000.0] * len(names)], index=["add-1", "add-2"], columns=names)
    second = first.copy()
    second.loc["add-1", "grok step"] = None
    assert "grok step: in the first set alone add-1" in differences(first, second)
    assert "grok step: in the second set alone add-1" in differences(second, first)
