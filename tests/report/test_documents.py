"""Numbers and sentences of README and results against made-up metrics."""

from pathlib import Path
from typing import Any

import pytest

from sedlib.base.errors import UserError
from sedlib.report.claims.listing import HEADLINES, claims
from sedlib.report.page.documents import END, README, RESULTS, START, update, value_at, with_files, written

MARKS = f"{START}\n{END}\n"
NUMBERS: dict[str, Any] = {
    "single_task": {"add": {"gradient_peak": {"mean": 151.738, "low": None, "high": None, "n": 1, "42": 151.738}}},
    "ablation": {"epsilon": {"0.005": {"peak": 0.04321, "final": None}}},
    "weight_decay_0": {"control": {"grokked": 0, "grok_step": 12345, "reason": "late"}},
}


def prose(text: str, numbers: dict[str, Any] = NUMBERS) -> str:
    return written(MARKS + text, RESULTS, numbers).partition(f"{END}\n")[2]


@pytest.mark.parametrize(
    ("before", "place", "after"),
    [
        ("7", "single_task.add.gradient_peak.mean", "152"),
        ("?", "single_task.add.gradient_peak.n", "1"),
        ("1,234.5", "ablation.epsilon.0.005.peak", "0.0432"),
        ("1e-05", "weight_decay_0.control.grok_step", "12,345"),
        ("-3", "weight_decay_0.control.grokked", "0"),
    ],
)
def test_a_number_is_written_anew_from_its_place(before: str, place: str, after: str) -> None:
    assert prose(f"R̄ = {before}<!-- {place} -->, so.") == f"R̄ = {after}<!-- {place} -->, so."


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "\n5<!-- single_task.sub.gradient_peak.mean -->",
            "line 4: there is no number at single_task.sub.gradient_pea",
        ),
        ("5<!-- single_task.add.gradient_peak -->", "there is no number at single_task.add.gradient_peak"),
        ("5<!-- ablation.epsilon.0.005.final -->", "there is no number at"),
        ("5<!-- weight_decay_0.control.reason -->", "there is no number at"),
        ("five<!-- single_task.add.gradient_peak.mean -->", "no number before <!-- single_task.add.gradient_peak.mean"),
        ("So. <!-- while nothing is inside -->", "while nothing is inside; now: no claim of that name"),
        ("So. <!-- while gradient-peak is contradicted or outside -->", "now: inside"),
        ("So. <!-- while single_task.add.gradient_peak.mean < 151.7 -->", "now: 151.738 and 151.7"),
        ("So. <!-- while ablation.epsilon.0.005.final < 1 -->", "now: no number and 1"),
        ("So. <!-- while 1 = 1 -->", "= is none of is, <, <=, >, >="),
    ],
)
def test_what_does_not_fit_is_refused_and_named(text: str, match: str) -> None:
    with pytest.raises(UserError, match=match.replace(".", r"\.")) as caught:
        prose(text)
    assert str(caught.value).startswith("docs/results.md does not fit reports/metrics.json:\nline ")


def test_all_that_does_not_fit_is_named_at_once() -> None:
    with pytest.raises(UserError) as caught:
        prose("5<!-- a.b --> and\n6<!-- c.d -->.\nSo. <!-- while 2 < 1 -->")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()[1:]] == ["line 3", "line 4", "line 5"]


def test_a_sentence_stays_while_its_conditions_hold() -> None:
    kept = (
        "So. <!-- while gradient-peak is same direction or inside -->\n"
        "So. <!-- while ablation.epsilon.0.005.peak < single_task.add.gradient_peak.mean -->\n"
        "So. <!-- while 1 >= 1 --> <!-- while 1 <= 1 --> <!-- while 2 > 1 -->\n"
    )
    assert prose(kept) == kept


def test_a_place_may_have_dots_within_its_keys() -> None:
    assert value_at({"a": {"b": 1}, "a.b": {"c": 2}}, "a.b.c") == 2
    assert value_at({"a": 1}, "a.b") is None


def test_the_readme_has_the_headlines_and_results_has_every_claim_with_its_files() -> None:
    found = claims(NUMBERS)
    assert set(HEADLINES) <= set(found["name"])
    assert len(HEADLINES) <= 12
    readme, results = (written(MARKS, page, NUMBERS).splitlines() for page in (README, RESULTS))
    assert len([line for line in readme if line.startswith("| ")]) == 1 + len(HEADLINES)
    rows = [line for line in results if line.startswith("| ")]
    assert len(rows) == 1 + len(found)
    assert "[figure2-gradient-sed](../reports/figures/figure2-gradient-sed.svg)" in rows[1]
    assert "[table1-single-task](../reports/tables/table1-single-task.csv)" in rows[1]
    assert "`dvc repro figures`" in rows[1]
    assert "figures/pc1" not in "".join(rows)  # nothing was drawn


@pytest.mark.parametrize("text", ["# sedlib", START, f"{END}{START}", MARKS + START])
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"README.md must hold .* around its claim table"):
        written(text, README, {})


def test_neither_page_is_written_where_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / README).write_text(MARKS)
    (tmp_path / RESULTS).write_text(MARKS + "5<!-- a.b -->")
    with pytest.raises(UserError, match=r"no number at a\.b"):
        update(tmp_path, NUMBERS)
    assert (tmp_path / README).read_text() == MARKS
    (tmp_path / RESULTS).write_text(MARKS)
    update(tmp_path, NUMBERS)
    assert "152" in (tmp_path / README).read_text()
    assert "152" in (tmp_path / RESULTS).read_text()


def test_a_table_of_a_file_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/one.md").write_text("| a |\n")
    start, end = "<!-- table: sweeps/one.md -->", "<!-- end of table -->"
    text = f"x {start}\nold\n{end} y {start}{end}"
    block = f"{start}\n\n| a |\n\n{end}"
    assert with_files(text, tmp_path) == f"x {block} y {block}"
    with pytest.raises(UserError, match=r"sweeps/two\.md is missing"):
        with_files(text.replace("one", "two"), tmp_path)
