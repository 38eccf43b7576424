"""Words from outside in what the report writes: no spreadsheet computes them, Markdown and JSON show them."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.report.page.html import environment, json_in_html
from sedlib.report.page.outgoing import as_csv, as_markdown, columns_of, compact, without_formulas, write_both
from sedlib.report.page.writing import write_report
from tests.report.made_up import collection


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+cmd", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-1 [=2]"]
)
def test_a_spreadsheet_computes_no_cell_and_no_heading(text: str) -> None:
    table = without_formulas(pd.DataFrame({text: [text, "a", None]}))
    assert table.columns.tolist() == [f"'{text}"]
    assert table.iloc[:2, 0].tolist() == [f"'{text}", "a"]
    assert table.iloc[:, 0].isna().tolist() == [False, False, True]


def test_numbers_in_texts_stay_as_they_are() -> None:
    numbers = ["-18 [-24.6, -6.4]", "-4,800", "-1e-05", "+3", "–", "1 [0.9, 1e+03]"]
    table = pd.DataFrame({"here": numbers, "value": [-1.5] * 6})
    assert as_csv("any", table) == table.to_csv(index=False)


def test_an_infinite_number_is_refused_with_its_place() -> None:
    with pytest.raises(
        UserError, match="table leads of the report must hold finite numbers; column lead of row 1 is -inf"
    ):
        as_csv("leads", pd.DataFrame({"lead": [1.0, -math.inf, math.nan]}))


def test_markdown_shows_a_cell_as_it_is() -> None:
    text = as_markdown(
        pd.DataFrame({"a|b": ["<img src=x>", "a\n|b", r"\|", "[x](javascript:1)", "`", "&lt;", "0 [1, 2]"]})
    )
    cells = [line.strip("| ") for line in text.splitlines()]
    assert cells[0] == "a&#124;b"
    assert cells[2:] == [
        "&lt;img src=x>",
        "a &#124;b",
        r"\&#124;",
        "[x&#93;(javascript:1)",
        "&#96;",
        "&amp;lt;",
        "0 [1, 2]",
    ]


def test_json_on_the_page_has_no_character_of_html_and_is_the_same_value() -> None:
    value = {"</script>": "<!-- & \u2028\u2029 ]]>", "number": 0.1, "absent": None}
    text = json_in_html(value)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == value


def test_what_is_absent_in_a_table_is_null() -> None:
    table = pd.DataFrame({"text": ["a", None], "number": [math.nan, 2.0]})
    assert columns_of(table) == {"text": ["a", None], "number": [None, 2.0]}


def test_the_pages_template_escapes_every_value_and_quotes_every_attribute() -> None:
    source = Path("sedlib/report/page/page.html.j2").read_text()
    assert environment().from_string("{{ text }}").render(text="<'\">&") == "&lt;&#39;&#34;&gt;&amp;"
    assert not re.search(r"safe|autoescape|=\{\{|= \{\{|\son\w+=", source)


def test_a_result_that_is_not_finite_never_reaches_metrics_or_page(tmp_path: Path) -> None:
    found = collection(tmp_path / "results")
    run = found.runs["add-1"]
    broken = replace(run, centroids=run.centroids.assign(alignment=math.inf))
    with pytest.raises(UserError, match="finite"):
        write_report(replace(found, runs={**found.runs, "add-1": broken}), tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


def test_a_column_of_few_values_holds_each_once() -> None:
    table = pd.DataFrame({"run": ["a", "b", "a", None], "step": [1, 1, 2, 2]})
    assert compact(table)["run"] == {"levels": ["a", "b", None], "places": [0, 1, 0, 2]}
    many = pd.DataFrame({"ratio": [value / 7 for value in range(200)]})
    assert compact(many) == columns_of(many)


def test_whole_numbers_of_which_one_is_missing_are_written() -> None:
    table = pd.DataFrame({"grok_step": pd.array([2925, None], dtype="Int64")})
    assert as_csv("a", table) == 'grok_step\n2925\n""\n'


def test_a_table_is_written_for_tools_and_for_a_reader_who_sees_a_dash_where_nothing_is(tmp_path: Path) -> None:
    table = pd.DataFrame({"word": ["nanometre", "b"], "value": [0.123456, None]})
    write_both(tmp_path, "lengths", table, table.round(2), "Above.\n\n")
    assert (tmp_path / "lengths.csv").read_text() == "word,value\nnanometre,0.123456\nb,\n"
    lines = (tmp_path / "lengths.md").read_text().splitlines()
    assert lines[0] == "Above."
    assert [line.replace(" ", "") for line in lines[-2:]] == ["|nanometre|0.12|", "|b|–|"]
