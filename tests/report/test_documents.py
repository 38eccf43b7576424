"""What the templates of README and results give, and what is refused, against made-up metrics."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedlib.base.errors import UserError
from sedlib.report.judged.listing import QUESTIONS, claims
from sedlib.report.judged.scoreboard import SCORED
from sedlib.report.page.documents import HEADER, TEMPLATES, rendered, strict_environment, update
from sedlib.report.page.vocabulary import Vocabulary, value_at
from tests.imports import ROOT

PEAK = "single_task.add.gradient_peak.mean"
NUMBERS: dict[str, Any] = {
    "single_task": {"add": {"gradient_peak": {"mean": 151.738, "low": None, "high": None, "n": 1, "42": 151.738}}},
    "made_up": {"one": {"peak": 2.0}, "two": {"peak": 3.0}},
    "ablation": {"epsilon": {"0.005": {"peak": 0.04321, "final": None}}},
    "weight_decay_0": {
        "control": {"grokked": 0, "grok_step": 12345, "reason": "late", "broken": math.nan, "open": True}
    },
}
TEMPLATE = Path("page.md.j2")
TABLE = """op,from step,42,137,speedup,speedup_low,speedup_high,here
add,,"2,925","2,775",1.25,1.04,1.5,"143 [134, 151]"
add,20,1150,975,2.5,2.0,,28.9
mul,20,7225,not within 8000 steps,,,,–
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    (root / "sweeps").mkdir()
    (root / "sweeps/one.md").write_text("| 17 |\n")
    (root / "sweeps/one.csv").write_text(TABLE)
    (root / "params.yaml").write_text("defaults: {lr: 0.25}\nruns: {add-42: {ops: [add], last: true}}\n")
    return root


def page(root: Path, text: str) -> str:
    (root / TEMPLATE).write_text(text)
    return rendered(root, TEMPLATE, NUMBERS).removeprefix(HEADER.format(template=TEMPLATE))


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        (f'R̄ = {{{{ n("{PEAK}") }}}}, so.\n', "R̄ = 152, so.\n"),
        ('{{ n("single_task.add.gradient_peak.n") }}', "1"),
        ('{{ n("ablation.epsilon.0.005.peak") }}', "0.0432"),
        ('{{ n("weight_decay_0.control.grok_step") }}', "12,345"),
        ('{{ n("weight_decay_0.control.grokked") }}', "0"),
        ('The paper has {{ "30 to 100" | typed("the paper") }}.', "The paper has 30 to 100."),
        (
            '{% filter typed("the paper") %}\n30, of {{ n("single_task.add.gradient_peak.n") }}.\n{% endfilter %}\n',
            "30, of 1.\n",
        ),
        ('{{ table("sweeps/one.md") }}\n', "| 17 |\n"),
        ('{{ table("sweeps/two.md", "make sweep-two") }}\n', "Not computed yet: `make sweep-two`.\n"),
        ('{{ cell("sweeps/one.csv", "speedup", "op == \'add\' and `from step`.isna()") }}', "1.25"),
        ('{{ cell("sweeps/one.csv", "42", "speedup == 1.25") }}', "2,925"),
        ('{{ cell("sweeps/one.csv", "here", "speedup == 1.25") }}', "143 [134, 151]"),
        ('{{ cell("sweeps/one.csv", "here", "speedup == 2.5", times=100) }}', "2,890"),
        ('{{ cells("sweeps/one.csv", "speedup", "op == \'add\'") }}', "1.25 to 2.5"),
        ('{{ cells("sweeps/one.csv", "speedup", "op == \'add\' and speedup < 2", times=10) }}', "12.5"),
        ('{{ cells("sweeps/one.csv", ["42", "137"], "`from step` == 20") }}', "975 to 7,225"),
        ('{{ interval("sweeps/one.csv", "speedup", "speedup == 1.25") }}', "1.25 [1.04, 1.5]"),
        ("{{ rows(\"sweeps/one.csv\", \"op in ['add', 'sub'] and speedup > 1\") }}", "2"),
        ('{{ setting("defaults.lr") }} {{ setting("defaults.lr", "params.yaml", times=100) }} %', "0.25 25 %"),
        ('{{ paper("gradient-peak") }} {{ paper("gradient-peak", "add") }}', "110–330 110–330"),
        ('{{ spread("made_up", "peak") }}', "1.5"),
        ("a < b & `c > d`\n", "a < b & `c > d`\n"),
    ],
)
def test_a_tag_gives(folder: Path, template: str, shown: str) -> None:
    assert page(folder, template) == shown


@pytest.mark.parametrize(
    "condition",
    [
        'verdict("gradient-peak") == "inside"',
        'verdict("gradient-peak") in ("same direction", "inside")',
        f'n("ablation.epsilon.0.005.peak") < n("{PEAK}")',
        f'n("{PEAK}") > 151 and not n("{PEAK}") > 152',
    ],
)
def test_a_text_stays_while_its_condition_holds_and_its_tags_leave_no_trace(folder: Path, condition: str) -> None:
    template = f"Before.\n{{% provided {condition} %}}\nSo it is.\n{{% endprovided %}}\nAfter.\n"
    assert page(folder, template) == "Before.\nSo it is.\nAfter.\n"


@pytest.mark.parametrize(
    ("template", "refusal"),
    [
        ('\n{{ n("single_task.sub.peak") }}', "line 2: there is no number at single_task.sub.peak"),
        (
            'a\nb\n{{ n("single_task.add.gradient_peak") }}',
            "line 3: there is no number at single_task.add.gradient_peak",
        ),
        ('{{ n("ablation.epsilon.0.005.final") }}', "line 1: there is no number at ablation.epsilon.0.005.final"),
        ('{{ n("weight_decay_0.control.reason") }}', "line 1: there is no number at weight_decay_0.control.reason"),
        ('{{ n("weight_decay_0.control.lost") }}', "line 1: there is no number at weight_decay_0.control.lost"),
        ('{{ n("weight_decay_0.control.open") }}', "line 1: there is no number at weight_decay_0.control.open"),
        ('{{ table("sweeps/two.md") }}', "line 1: sweeps/two.md is missing; restore it with git checkout"),
        ('{{ cells("sweeps/two.csv", "a", "a > 1") }}', "line 1: sweeps/two.csv is missing, or no table"),
        (
            '{{ cell("sweeps/one.csv", "42", "op == \'add\'") }}',
            "line 1: sweeps/one.csv has 2 rows with 42 where op ==",
        ),
        (
            '{{ cell("sweeps/one.csv", "42", "op == \'sub\'") }}',
            "line 1: sweeps/one.csv has 0 rows with 42 where op ==",
        ),
        ('{{ cells("sweeps/one.csv", "137", "op == \'mul\'") }}', "line 1: sweeps/one.csv has no number in 137 where"),
        ('{{ interval("sweeps/one.csv", "here", "speedup == 1.25") }}', "line 1: sweeps/one.csv has no column here"),
        ('{{ rows("sweeps/one.csv", "size > 1") }}', "line 1: no rows of sweeps/one.csv can be chosen where size > 1"),
        ('{{ rows("sweeps/one.csv", "op == ") }}', "line 1: no rows of sweeps/one.csv can be chosen where op == "),
        ('{{ rows("sweeps/one.csv", "speedup") }}', "line 1: no rows of sweeps/one.csv can be chosen where speedup"),
        ('{{ setting("defaults.rate") }}', "line 1: params.yaml has no number at defaults.rate"),
        ('{{ setting("runs.add-42.last") }}', "line 1: params.yaml has no number at runs.add-42.last"),
        ('{{ setting("a", "other.yaml") }}', "line 1: "),
        ('{{ paper("no") }}', "line 1: there is no claim named no"),
        ('{{ paper("window", "W = 3") }}', "line 1: the paper has no number of window for W = 3"),
        ('{{ spread("nowhere", "peak") }}', "line 1: there is nothing under nowhere"),
        (
            'a\n{% provided verdict("gradient-peak") == "outside" %}\nb\n{% endprovided %}\n',
            "line 2: the condition of this text does not hold; now: gradient-peak is inside",
        ),
        (
            f'{{% provided n("{PEAK}") < 151.7 %}}b{{% endprovided %}}',
            f"line 1: the condition of this text does not hold; now: {PEAK} is 151.738",
        ),
        ('{% provided verdict("no") != "inside" %}b{% endprovided %}', "line 1: there is no claim named no"),
        (
            '{% provided verdict("gradient-peak", "no") != "inside" %}b{% endprovided %}',
            "line 1: gradient-peak is judged under text",
        ),
        (
            '{% provided verdict("gradient-peak") == "inside" and verdict("gradient-peak", "text") == "outside" %}'
            "b{% endprovided %}",
            "line 1: the condition of this text does not hold; now: gradient-peak is inside and gradient-peak, text is",
        ),
        (
            "a\nfive or 5\n",
            "line 2: 5 is from no file; write n(PLACE) or cell(FILE, COLUMN, ROWS), or mark it as typed",
        ),
        (
            '{{ n("single_task.add.gradient_peak.n") }}\n<b>5.2</b>',
            "line 2: 5.2 is from no file; write n(PLACE) or cell(FILE, COLUMN, ROWS), or mark",
        ),
        (
            "{# a\ncomment #}5",
            "line 2: 5 is from no file; write n(PLACE) or cell(FILE, COLUMN, ROWS), or mark it as typed",
        ),
        (
            "{% if true -%}\n\n5{% endif %}",
            "line 3: 5 is from no file; write n(PLACE) or cell(FILE, COLUMN, ROWS), or mark it as typed",
        ),
        (
            '{% filter typed("a") %}4{% endfilter %} 5',
            "line 1: 5 is from no file; write n(PLACE) or cell(FILE, COLUMN, ROWS), or mark it as typed",
        ),
        ("{{ 5 }}", "line 1: a tag prints what is neither a function's nor marked as typed"),
        ("\n{{ '5' }}", "line 2: a tag prints what is neither a function's nor marked as typed"),
        ("{{ '5'.strip() }}", "line 1: a tag prints what is neither a function's nor marked as typed"),
        (f'{{{{ n("{PEAK}") * 2 }}}}', "line 1: a tag prints what is neither a function's nor marked as typed"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(folder: Path, template: str, refusal: str) -> None:
    with pytest.raises(UserError) as caught:
        page(folder, template)
    first, *problems = str(caught.value).splitlines()
    assert first == "page.md.j2 does not fit reports/metrics.json and the tables:"
    assert len(problems) == 1
    assert problems[0].startswith(refusal)


@pytest.mark.parametrize(
    ("template", "refusal"),
    [
        ("\n{{ peak }}", "page.md.j2, line 2: 'peak' is undefined"),
        ("{% if peak %}a{% endif %}", "page.md.j2, line 1: 'peak' is undefined"),
        ("\n\n{{ verdict('gradient-peak').mean }}", "page.md.j2, line 3: 'str object' has no attribute 'mean'"),
        ("{{ range(3) }}", "page.md.j2, line 1: 'range' is undefined"),
        ("\n{{ verdict('gradient-peak') | upper }}", "page.md.j2, line 2: No filter named 'upper'."),
        ("\n{% provided %}{% endprovided %}", "page.md.j2, line 2: unexpected 'end of statement block'"),
        ("\n{{ '5' | typed }}", "page.md.j2, line 2: "),
        ("\n{{ n() }}", "page.md.j2, line 2: "),
        ("\n{% while true %}", "page.md.j2, line 2: Encountered unknown tag 'while'."),
    ],
)
def test_what_is_no_jinja_or_not_defined_is_refused_with_its_line(folder: Path, template: str, refusal: str) -> None:
    with pytest.raises(UserError) as caught:
        page(folder, template)
    assert str(caught.value).startswith(refusal)


def test_all_that_does_not_fit_is_named_at_once(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        page(folder, '{{ n("a.b") }} and\n6.\n{% provided 2 < 1 %}\n{{ table("c.md") }}\n{% endprovided %}\n')
    lines = [line.partition(":")[0] for line in str(caught.value).splitlines()[1:]]
    assert lines == ["line 1", "line 2", "line 3", "line 4"]


@pytest.mark.parametrize(
    "text",
    [
        "## 3 questions\n",
        "`-S window=5`\n",
        "```sh\nmake 5\n```\n",
        "[figure](figures/figure2.svg)\n",
        "arXiv 2604.25143, Python 3.11, Apache-2.0",
        "W = 1 and W =\n20, rank 3, rank-3, weight decay 0",
        "seed 42; Seeds 7, 11 and 13",
        "its 95 % bootstrap interval",
        "add-42, g23, R₁, multitask-2024",
    ],
)
def test_names_and_settings_may_stand_as_they_are(folder: Path, text: str) -> None:
    assert page(folder, text) == text


@given(
    before=st.sampled_from(["", "a ", "R̄ = ", "(", "≈", "W = 20 and ", "step ", "**", "| ", "−"]),
    number=st.one_of(st.integers(0), st.floats(0, allow_nan=False, allow_infinity=False)),
    after=st.sampled_from(["", " %", ".", ", so", "×", ")", " |", "\n"]),
)
def test_any_number_that_stands_bare_is_refused(folder: Path, before: str, number: float, after: str) -> None:
    with pytest.raises(UserError, match=r"line 2: .* is from no file"):
        page(folder, f"a\n{before}{number}{after}")


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_text_stands_exactly_where_its_condition_holds(left: float, right: float) -> None:
    vocabulary = Vocabulary(Path(), {"a": {"left": left, "right": right}})
    template = '{% provided n("a.left") < n("a.right") %}so{% endprovided %}'
    strict_environment(vocabulary).from_string(template).render()
    assert bool(vocabulary.problems) == (left >= right)


def test_a_number_that_is_not_there_compares_with_nothing(folder: Path) -> None:
    assert math.isnan(Vocabulary(folder, {}).number("a.b"))


def test_a_place_may_have_dots_within_its_keys() -> None:
    assert value_at({"a": {"b": 1}, "a.b": {"c": 2}}, "a.b.c") == 2
    assert value_at({"a": 1}, "a.b") is None


def test_the_scoreboard_is_six_claims_and_all_claims_show_their_files(folder: Path) -> None:
    found = claims(NUMBERS)
    assert set(SCORED) <= set(found["name"])
    assert len(SCORED) == 6
    scored, everything = (page(folder, f"{{{{ {name}() }}}}").splitlines() for name in ("scoreboard", "claims"))
    assert len([line for line in scored if line.startswith("| ")]) == 1 + len(SCORED)
    assert [cell.strip() for cell in scored[2].split("|")[2:6]] == ["110–330", "152", "1", "yes"]
    rows = [line for line in everything if line.startswith("| ")]
    assert len(rows) == 1 + len(found)
    assert "[figure2-gradient-sed](../reports/figures/figure2-gradient-sed.svg)" in rows[1]
    assert "[table1-single-task](../reports/tables/table1-single-task.csv)" in rows[1]
    assert "`dvc repro figures`" in rows[1]
    assert "figures/pc1" not in "".join(rows)  # nothing was drawn


def test_claims_of_a_question_are_shown_alone(folder: Path) -> None:
    (question, names), *_ = QUESTIONS.items()
    shown = page(folder, f'{{{{ claims("{question}") }}}}')
    assert len([line for line in shown.splitlines() if line.startswith("| ")]) == 1 + len(names)
    with pytest.raises(UserError, match="line 1: there is no question Why"):
        page(folder, '{{ claims("Why") }}')


def test_prose_has_the_span_of_a_claim_and_counts_verdicts(folder: Path) -> None:
    assert page(folder, '{{ span("gradient-peak") }}, {{ count("inside") }} of {{ count() }}') == "152, 1 of 43"
    with pytest.raises(UserError, match="line 1: no claim named lead has numbers"):
        page(folder, '{{ span("lead") }}')


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_no_number_of_the_results_is_typed_by_hand(page: str) -> None:
    assert "typed" not in (ROOT / TEMPLATES[Path(page)]).read_text()


def test_every_claim_answers_one_question() -> None:
    named = [name for names in QUESTIONS.values() for name in names]
    assert sorted(named) == sorted(set(named)) == sorted(claims({})["name"])


def test_a_page_begins_with_a_comment_that_names_its_template(folder: Path) -> None:
    (folder / TEMPLATE).write_text("# Title\n")
    first, title = rendered(folder, TEMPLATE, NUMBERS).splitlines()
    assert title == "# Title"
    assert first.startswith("<!-- Rendered from page.md.j2 by `make report`")


def test_neither_page_is_written_where_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs/templates").mkdir(parents=True)
    readme, results, beliefs = TEMPLATES
    with pytest.raises(UserError, match=r"README\.md\.j2 is missing, or no text; restore it"):
        update(tmp_path, NUMBERS)
    (tmp_path / TEMPLATES[readme]).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"README\.md\.j2 is missing, or no text; restore it"):
        update(tmp_path, NUMBERS)
    (tmp_path / TEMPLATES[readme]).write_text("{{ scoreboard() }}\n")
    (tmp_path / TEMPLATES[beliefs]).write_text("None\n")
    (tmp_path / TEMPLATES[results]).write_text('{{ n("a.b") }}\n')
    with pytest.raises(UserError, match=r"no number at a\.b"):
        update(tmp_path, NUMBERS)
    assert not (tmp_path / readme).exists()
    (tmp_path / TEMPLATES[results]).write_text("{{ claims() }}\n")
    update(tmp_path, NUMBERS)
    assert "152" in (tmp_path / readme).read_text()
    assert "152" in (tmp_path / results).read_text()
