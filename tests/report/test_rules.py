"""docs/report.md shows the rules that the code applies, word for word."""

import re
from collections.abc import Iterable

from sedlib.report.claims.claim import WEAKEST
from sedlib.report.claims.verdicts import MEANINGS
from sedlib.report.judged.listing import claims, rules
from tests.imports import ROOT


def rows(cells: Iterable[tuple[str, str]]) -> list[str]:
    return [f"| {first} | {second} |" for first, second in cells]


def test_the_documentation_has_every_rule_and_no_other() -> None:
    section = (ROOT / "docs" / "report.md").read_text().partition("## Verdicts\n")[2].partition("\n## ")[0]
    of_claims = ((of_rule.replace(", ", "`, `").join("``"), rule) for of_rule, rule in rules().itertuples(index=False))
    of_verdicts = ((name.join(("**", "**")), meaning) for name, meaning in MEANINGS.items())
    expected = [*rows(of_verdicts), *rows(of_claims)]
    found = [line for line in section.splitlines() if line.startswith(("| **", "| `"))]
    assert found == expected, "copy into docs/report.md:\n" + "\n".join(expected)
    assert WEAKEST in section


def test_the_page_for_evaluators_has_every_claim_once() -> None:
    rows = [line for line in (ROOT / "docs/evaluation.md").read_text().splitlines() if line.startswith("| `")]
    named = [name for line in rows for name in re.findall("`(.*?)`", line.split("|")[1])]
    assert sorted(named) == sorted(claims({})["name"])


def test_every_claim_follows_one_rule() -> None:
    named = [name for of_rule in rules()["claims"] for name in of_rule.split(", ")]
    assert sorted(named) == sorted(claims({})["name"])
