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
    in_one_alone,
    moves,
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


def test_moves_are_those_of_one_operation_and_of_several_apart(results: Path) -> None:
    first, second = (numbers_of(summaries_in(results / name)) for name in ("first", "second"))
    second.loc["both-1, add", "gradient, peak"] = 3 * first["gradient, peak"]["both-1, add"]
    second.loc["add-3", "grok step"] = 20 + first["grok step"]["add-3"]
    second.loc["both-1, mul", "grok step"] = None
    table = moves(first, second).set_index("moves by")
    assert list(table) == ["2 runs of one operation", "2 operations in runs of several"]
    assert list(table.loc["grok step"]) == [
        "+0 to +20 steps, half by 10 at most",
        "+0 to +0 steps, half by 0 at most",
    ]
    assert list(table.loc["gradient, peak"]) == [
        "+0 to +50 %, half by 25.0 % at most",
        "+0 to +200 %, half by 100.0 % at most",
    ]


def test_a_kind_of_run_that_is_not_there_has_no_column_and_a_missing_number_no_move(results: Path) -> None:
    first = numbers_of(summaries_in(results / "first")).loc[["add-2", "add-3"]]
    second = first.copy()
    second["update, peak"] = float("nan")
    table = moves(first, second).set_index("moves by")
    assert list(table) == ["2 runs of one operation"]
    assert list(table.loc["update, peak"]) == ["–"]


def test_runs_of_one_set_alone_are_named_once(results: Path) -> None:
    first = numbers_of(summaries_in(results / "first"))
    assert in_one_alone(first, first.loc[["add-2"]]) == ["in the first set alone: add-1, add-3, both-1"]


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
    assert in_one_alone(first, second) == ["grok step: in the first set alone add-1"]
    assert in_one_alone(second, first) == ["grok step: in the second set alone add-1"]


def test_the_tables_go_into_a_file_which_is_written_again_and_nothing_else_is(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, target = str(results / "first"), str(results / "second"), results / "second.md"
    for _ in range(2):
        main(["compare", first, second, "--to", str(target)])
        assert target.read_text() == compared(results / "first", results / "second")
    assert capsys.readouterr().out == ""
    (results / "notes.md").write_text("# Mine\n")
    for other, message in {
        "notes.md": "exists and was not written by `sedlib compare`; choose another name",
        "first": "exists and was not written by `sedlib compare`",
        "none/second.md": "none is missing; make it first",
    }.items():
        with pytest.raises(SystemExit, match=message):
            main(["compare", first, second, "--to", str(results / other)])
    assert (results / "notes.md").read_text() == "# Mine\n"


def test_what_cannot_be_compared_leaves_the_file_as_it_is(results: Path) -> None:
    target = results / "second.md"
    main(["compare", str(results / "first"), str(results / "second"), "--to", str(target)])
    before = target.read_bytes()
    (results / "empty").mkdir()
    with pytest.raises(SystemExit, match="expected results of runs"):
        main(["compare", str(results / "empty"), str(results / "second"), "--to", str(target)])
    assert target.read_bytes() == before


def test_half_a_summary_is_refused_and_not_left_out(results: Path) -> None:
    (results / "second/add-3/summary.json").unlink()
    with pytest.raises(UserError, match=r"add-3/summary.resource.json: expected the file that it describes beside it"):
        compared(results / "first", results / "second")


def test_a_name_that_no_file_can_have_ends_in_a_sentence(results: Path) -> None:
    folders = [str(results / name) for name in ("first", "second")]
    with pytest.raises(SystemExit, match=r"error: a file cannot be read or written; look at its name.*too long"):
        main(["compare", *folders, "--to", "a" * 300])
