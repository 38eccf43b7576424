"""What is said of dependencies: their licences as they are now, and known faults where somebody knows of any."""

import re
import runpy
from typing import Any

import pytest

from tests.imports import ROOT

LICENCES = runpy.run_path(str(ROOT / ".ci/licences.py"))
AUDIT = runpy.run_path(str(ROOT / ".ci/audit.py"))
HEAD, ROWS = (ROOT / "docs/licences.md").read_text().split("## All packages")
OF_A_PACKAGE = {name: (licence, group) for name, licence, group in re.findall(r"\| (\S+) \| (.*) \| (\w*) \|", ROWS)}
COPYLEFT = re.compile(r"GPL|GNU|MPL|Mozilla|EPL|Eclipse", re.IGNORECASE)


def test_the_licence_of_every_package_that_sedlib_asks_for_is_listed_as_it_states_it() -> None:
    asked = LICENCES["direct"]()
    listed = {LICENCES["normal"](name): (name, *found) for name, found in OF_A_PACKAGE.items()}
    for package, group in asked.items():
        name, licence, of = listed[package]
        assert (licence, of) == (LICENCES["licence"](name), group), f"{name}: write the page anew: make licences"


def test_every_pinned_package_is_listed_and_each_copyleft_licence_explained() -> None:
    assert list(OF_A_PACKAGE) == sorted(LICENCES["pinned"](), key=str.lower), "write the page anew: make licences"
    assert HEAD.strip() == (ROOT / ".ci/licences_head.md").read_text().strip()
    copyleft = {name for name, (licence, _) in OF_A_PACKAGE.items() if COPYLEFT.search(licence)}
    assert {"pygit2", "grandalf", "asyncssh", "tqdm"} <= copyleft
    assert copyleft - set(re.findall(r"[\w-]+", HEAD)) == set()


def package(name: str, *advisories: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1.0",
        "vulns": [{"id": each, "fix_versions": ["1.1"]} for each in advisories],
    } | more


@pytest.mark.parametrize(
    ("packages", "code", "text"),
    [
        ([package("a"), package("b")], 0, "audit: 2 packages looked up; 0 advisories"),
        (
            [package("a", "CVE-1"), package("b", skip_reason="not found")],
            1,
            "a 1.0: CVE-1, fixed in 1.1\naudit: 1 packages looked up, 1 are not in the index; 1 advisories",
        ),
        ([package("a", skip_reason="not found")], None, "knows none of the packages"),
    ],
)
def test_the_audit_fails_on_an_advisory_and_on_nothing_else(
    packages: list[dict[str, Any]], code: int | None, text: str
) -> None:
    assert AUDIT["judged"]({"dependencies": packages}) == (code, text)


def test_without_an_index_of_advisories_the_audit_says_so_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = AUDIT["main"]
    monkeypatch.setitem(main.__globals__, "ask", lambda service: {"dependencies": []})
    monkeypatch.setitem(main.__globals__, "installed", lambda: True)
    assert main() == 0
    assert capsys.readouterr().out == "audit skipped: no index of advisories answers here (pypi, osv)\n"
    monkeypatch.setitem(main.__globals__, "installed", lambda: False)
    assert main() == 0
    assert "audit skipped: pip-audit" in capsys.readouterr().out
