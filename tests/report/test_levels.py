"""The report's levels: imports run down only."""

import pytest

from tests.imports import ROOT, direct_imports

REPORT = ROOT / "sedlib" / "report"
MAY_IMPORT: dict[str, set[str]] = {
    "by_scripts": set(),
    "numbers": {"by_scripts"},
    "metrics": {"numbers", "by_scripts"},
    "claims": {"numbers", "metrics"},
    "causes": {"numbers", "metrics", "claims"},
    "judged": {"numbers", "metrics", "claims", "causes"},
    "drawn": {"numbers", "metrics", "claims"},
    "tabled": {"numbers", "metrics", "claims"},
    "sweeps": {"by_scripts", "numbers", "metrics", "claims", "drawn"},
    "page": {"numbers", "metrics", "claims", "causes", "judged", "drawn", "tabled", "sweeps"},
    "of_studies": {"numbers", "drawn", "page"},
}
"""By level, those below it that it may import, beside itself; tests/test_architecture.py says what lies below all."""


@pytest.mark.parametrize("level", MAY_IMPORT)
def test_a_level_imports_what_lies_below_it_alone(level: str) -> None:
    for file in (REPORT / level).glob("*.py"):
        inside = [imported for imported in direct_imports(file) if imported.is_relative_to(REPORT)]
        for imported in inside:
            assert imported.parent.name in {level, *MAY_IMPORT[level]}, f"{file} imports {imported}"


def test_every_folder_is_a_level() -> None:
    assert {path.parent.name for path in REPORT.glob("*/*.py")} == set(MAY_IMPORT)
