from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.report.sweeps.outcomes import dose_response, for_reading, outcomes
from tests.report.test_interventions import read, write

USUAL = {"rank": 3, "target": "attention", "start": 20}
NATURAL = {"target": None, "rank": None, "start": None, "strength": None, "size": None}


@pytest.fixture
def tables(tmp_path: Path) -> list[pd.DataFrame]:
    """Controls of three seeds; suppression at two strengths, of which the stronger one stops one seed."""
    for seed, control, weak, strong in ((42, 200, 200, 400), (137, 300, 300, 300), (2024, 300, 400, None)):
        write(tmp_path, "keep-execution", seed, weak, **{**NATURAL, "target": "all", "start": 5, "strength": 0.5})
        write(tmp_path, "keep-execution", seed, strong, **{**NATURAL, "target": "all", "start": 5, "strength": 1.0})
        write(tmp_path, "control", seed, control, projection=None, **NATURAL)
    write(tmp_path, "keep-fixed-random", 42, 100, **{**NATURAL, "rank": 16, "strength": 0.5})
    return read(tmp_path)[::-1]


def test_a_row_per_kind_with_speedups_by_hand(tables: list[pd.DataFrame]) -> None:
    table = outcomes(tables, 0.98, USUAL)
    assert table["condition"][0] == "control"
    assert len(table) == 4
    weak = table[(table["condition"] == "keep-execution") & (table["strength"] == 0.5)].iloc[0]
    assert weak[["42", "137", "2024"]].tolist() == ["200", "300", "400"]
    assert (weak["mean"], weak["n"]) == (300, 3)
    assert weak["speedup"] == pytest.approx((1 + 1 + 0.75) / 3)
    strong = table[table["strength"] == 1.0].iloc[0]
    assert strong["2024"] == "not within 400 steps"
    assert pd.isna(strong["mean"])
    assert (strong["speedup"], strong["n"]) == (pytest.approx(0.75), 2)
    alone = table[table["condition"] == "keep-fixed-random"].iloc[0]
    assert alone[["42", "137"]].tolist() == ["100", "not run"]
    assert (alone["rank"], alone["speedup"]) == (16, 2)


def test_a_cell_that_says_nothing_has_what_is_usual_where_it_means_something(tables: list[pd.DataFrame]) -> None:
    rows = {row["condition"]: row for row in outcomes(tables, 0.98, USUAL).to_dict("records")}
    assert [rows["keep-fixed-random"][name] for name in ("target", "start", "rank")] == ["attention", 20, 16]
    assert rows["keep-execution"]["target"] == "all"
    assert pd.isna(rows["keep-execution"]["rank"])
    assert all(pd.isna(rows["control"][name]) for name in ("target", "start", "rank"))


def test_what_was_done_to_attention_stands_before_what_was_done_to_all_parameters(tables: list[pd.DataFrame]) -> None:
    assert outcomes(tables, 0.98, USUAL)["target"].fillna("none").tolist() == ["none", "attention", "all", "all"]


def test_options_are_ordered_as_numbers(tmp_path: Path) -> None:
    write(tmp_path, "control", 42, 200, projection=None, **NATURAL)
    for size in (100.0, 50.0, 500.0):
        write(tmp_path, "kick", 42, 200, **{**NATURAL, "start": 5, "size": size}, projection=None)
    text = for_reading(outcomes(read(tmp_path), 0.98, USUAL))
    assert text["size"].tolist() == ["–", "50", "100", "500"]


def test_the_text_has_intervals_and_dashes_and_no_empty_column(tables: list[pd.DataFrame]) -> None:
    text = for_reading(outcomes(tables, 0.98, USUAL))
    assert "size" not in text
    assert text["speedup"].tolist() == ["1 [1, 1]", "2", "0.917 [0.75, 1]", "0.75"]
    assert text.iloc[0][["target", "rank", "strength"]].tolist() == ["–", "–", "–"]
    assert text["n"].tolist() == [3, 1, 3, 2]
    assert text["last train accuracy"].tolist() == ["1"] * 4


def test_without_any_cell_it_says_so() -> None:
    with pytest.raises(UserError, match="no cell was run"):
        outcomes([], 0.98, USUAL)


def test_the_dose_response_has_a_line_per_seed_and_counts_those_that_did_not_grok(tables: list[pd.DataFrame]) -> None:
    (axes,) = dose_response(tables, 0.98).axes
    top = 1.05 * 400
    curves = [np.asarray(line.get_data()) for line in axes.lines if line.get_linestyle() == "-"][:3]
    assert [curve[0].round(2).tolist() for curve in curves] == [[0, 0.48, 0.98]] * 3
    assert [curve[1].tolist() for curve in curves] == [[200, 200, 400], [300, 300, 300], [300, 400, top]]
    marks = {line.get_label(): sorted(np.asarray(line.get_ydata())) for line in axes.lines}
    assert marks["execution basis"] == [200, 300, 300, 400, 400]
    assert marks["control"] == [200, 300, 300]
    assert [note.get_text() for note in axes.texts] == ["1"]
