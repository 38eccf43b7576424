"""The examples in docstrings are run, under the same checks of shapes as the tests."""

import doctest
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.imports import ROOT

FILES = [file for file in sorted((ROOT / "sedlib").rglob("*.py")) if ">>> " in file.read_text()]


class Finder(doctest.DocTestFinder):
    """Goes by the name of a function's module: one whose shapes are checked is wrapped in a function of jaxtyping."""

    def _from_module(self, module: ModuleType, item: object) -> bool:
        return getattr(item, "__module__", module.__name__) == module.__name__


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_examples_have_the_results_that_they_state(file: Path) -> None:
    module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    runner, report = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS), list[str]()
    for example in Finder().find(module):
        runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)
    assert runner.tries == file.read_text().count(">>> "), "an example is not found"
