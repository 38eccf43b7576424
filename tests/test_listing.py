"""The public listing: every name is found, nothing is imported before it is asked for, nothing public is forgotten."""

import ast
import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import sedlib
from tests.imports import ROOT

LIBRARY = sorted(file.stem for file in (ROOT / "sedlib").glob("*.py") if file.stem not in ("__init__", "cli"))
BEHIND = "says what it is only behind its module's name"
NOT_LISTED = {
    "adam": BEHIND,
    "centroids.centroids": "bears its module's name, and a package's attribute of that name is the module",
    "centroids.compare": BEHIND,
    "centroids.principal_components": "trajectory has another function of that name",
    "centroids.read_out": BEHIND,
    "curvature.alignment": "alignment is also a readout of centroids, and of operations",
    "fourier": BEHIND,
    "gradients.require_equal_lengths": "a check that modules share",
    "leads": BEHIND,
    "blocks.blocks": BEHIND,
    "products.centred": BEHIND,
    "products.diagonals": BEHIND,
    "products.window_blocks": BEHIND,
    "trajectory.principal_components": "centroids has another function of that name",
}


def public_names(module: str) -> set[str]:
    """Functions and classes that a module of the library defines."""
    nodes = ast.parse((ROOT / f"sedlib/{module}.py").read_text()).body
    return {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


@pytest.mark.parametrize("name", dir(sedlib))
def test_a_listed_name_is_found_and_documented(name: str) -> None:
    found = getattr(sedlib, name)
    assert inspect.getdoc(found)
    if isinstance(found, ModuleType):
        assert found.__name__ == f"sedlib.{name}"
    else:
        assert (found.__module__.partition(".")[0], found.__name__) == ("sedlib", name)
        assert name not in LIBRARY, "importing the module of that name would take its place"


@pytest.mark.parametrize("module", LIBRARY)
def test_what_is_public_is_listed_or_there_is_a_reason(module: str) -> None:
    listed = {name for name in dir(sedlib) if getattr(getattr(sedlib, name), "__module__", "") == f"sedlib.{module}"}
    assert module in dir(sedlib)
    if module in NOT_LISTED:
        assert not listed
    else:
        left_out = {name.partition(".")[2] for name in NOT_LISTED if name.startswith(f"{module}.")}
        assert not listed & left_out
        assert listed | left_out == public_names(module)


def test_importing_the_package_imports_nothing() -> None:
    code = """if True:
        import sys, typing
        before = set(sys.modules)
        import sedlib
        assert set(sys.modules) - before <= {"sedlib", "functools"}, set(sys.modules) - before
        assert "coupling_ratios" in dir(sedlib) and "torch" not in sys.modules
        sedlib.leads
        assert "scipy" in sys.modules and "torch" not in sys.modules
        sedlib.coupling_ratios
        assert "torch" in sys.modules and "coupling_ratios" in vars(sedlib)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_answered_by_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"'sedlib' has no attribute 'rolling_base'; did you mean rolling_bases"):
        sedlib.rolling_base  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'zzz'$"):
        sedlib.zzz  # type: ignore[attr-defined]  # noqa: B018
