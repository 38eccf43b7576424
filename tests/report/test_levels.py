"""The report's levels: imports run down only, and what happens on each is said where it begins."""

import ast
from collections import Counter

import pytest

from tests.imports import ROOT, direct_imports, imported_modules

REPORT = ROOT / "sedlib" / "report"
MAY_IMPORT = {
    "numbers": set(),
    "claims": {"numbers"},
    "drawn": {"numbers", "claims"},
    "tabled": {"numbers", "claims"},
    "sweeps": {"numbers", "drawn"},
    "page": {"numbers", "claims", "drawn", "tabled"},
}
"""By level, those below it that it may import, beside itself."""
BELOW = {"base", "terms"}
"""Rooms of sedlib that every level may import, beside the flat modules of the library."""


@pytest.mark.parametrize("level", MAY_IMPORT)
def test_a_level_imports_what_lies_below_it_alone(level: str) -> None:
    for file in (REPORT / level).glob("*.py"):
        for imported in direct_imports(file):
            room, *rest = imported.relative_to(ROOT / "sedlib").parts
            if room == "report":
                assert rest[0] in {level, *MAY_IMPORT[level]}, f"{file} imports {imported}"
            else:
                assert room in BELOW or not rest, f"{file} imports {imported}"


def test_every_folder_is_a_level_and_says_what_happens_in_it() -> None:
    folders = {path.parent for path in REPORT.rglob("*.py")}
    assert {folder.name for folder in folders} == {"report", *MAY_IMPORT}
    for folder in folders:
        (docstring,) = ast.parse((folder / "__init__.py").read_text()).body
        assert isinstance(docstring, ast.Expr)


def test_nothing_imports_torch() -> None:
    for file in REPORT.rglob("*.py"):
        assert "torch" not in imported_modules(file), file


def test_no_file_has_the_name_of_another_in_sedlib() -> None:
    counted = Counter(path.stem for path in (ROOT / "sedlib").rglob("*.py") if path.stem != "__init__")
    assert not {path.stem for path in REPORT.rglob("*.py") if counted[path.stem] > 1}
