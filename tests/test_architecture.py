"""Imports run one way, and a stage depends on exactly the code it imports and the parameters it reads."""

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.pipeline.parameters.axes import AXES
from tests.imports import ROOT, direct_imports, import_closure, imported_modules

SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
SWEEPS = (ROOT / "sweeps").glob("*/dvc.yaml")
GENERIC, GROKKING, REPORT, CLUSTER = "generic", "grokking", "report", "cluster"
ALLOWED = {
    GENERIC: {GENERIC},
    GROKKING: {GENERIC, GROKKING},
    REPORT: {GENERIC, REPORT},
    CLUSTER: {GENERIC, CLUSTER},
}
LISTING = ROOT / "sedlib/__init__.py"
HEAVY = {"torch", "dvc"}


def group(file: Path) -> str:
    folder = file.relative_to(ROOT / "sedlib").parts[0]
    return folder if folder in (GROKKING, REPORT, CLUSTER) else GENERIC


def library_files() -> list[Path]:
    """All of sedlib but the command line, which may call anything."""
    return [file for file in sorted((ROOT / "sedlib").rglob("*.py")) if file.name != "cli.py"]


@pytest.mark.parametrize("file", library_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_run_one_way(file: Path) -> None:
    for imported in direct_imports(file):
        assert group(imported) in ALLOWED[group(file)], f"{file.name} must not import {imported.relative_to(ROOT)}"


@pytest.mark.parametrize("file", library_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_imports_itself_in_a_circle(file: Path) -> None:
    assert file not in import_closure(file)


def test_package_files_import_nothing() -> None:
    """But for the public listing, which imports the library for type checkers alone."""
    for file in (ROOT / "sedlib").rglob("__init__.py"):
        assert file == LISTING or not imported_modules(file), file
    statements = [node for node in ast.parse(LISTING.read_text()).body if not for_type_checkers(node)]
    imports = [node for node in ast.walk(ast.Module(statements, [])) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node).split()[1].partition(".")[0] for node in imports} <= sys.stdlib_module_names


def for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@pytest.mark.parametrize("file", [*library_files(), *SCRIPTS], ids=lambda file: str(file.relative_to(ROOT)))
def test_a_name_is_imported_from_its_module_and_not_from_the_listing(file: Path) -> None:
    """Which would hide the module from the fingerprint of a stage."""
    assert file == LISTING or "sedlib" not in imported_modules(file)


def test_the_report_and_the_parameters_need_no_torch() -> None:
    """They start in a fraction of a second, and a report can be rendered where no torch is."""
    for file in [ROOT / "stages/figures.py", ROOT / "sedlib/grokking/setup/params.py"]:
        for module in {file} | import_closure(file):
            assert not {name.partition(".")[0] for name in imported_modules(module)} & HEAVY, module


def stages() -> dict[str, Any]:
    """The stages of dvc.yaml with what they do in each of their cells."""
    found = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items()}


def script_of(stage: str) -> Path:
    """The script that a stage runs, after the check of the parameters if there is one."""
    commands = stages()[stage]["cmd"]
    *checks, command = [commands] if isinstance(commands, str) else commands
    assert checks in ([], ["sedlib check"])
    return ROOT / command.split()[1]


def test_every_script_is_run_by_a_stage() -> None:
    in_sweeps = re.findall(r"python (?:\.\./)*(stages/\w+\.py)", "".join(file.read_text() for file in SWEEPS))
    assert {script_of(stage) for stage in stages()} | {ROOT / script for script in in_sweeps} == set(SCRIPTS)


@pytest.mark.parametrize("stage", stages())
def test_a_stage_depends_on_exactly_the_code_it_imports(stage: str) -> None:
    script = script_of(stage)
    declared = {dep for dep in stages()[stage]["deps"] if dep.endswith(".py")}
    imported = {str(file.relative_to(ROOT)) for file in {script} | import_closure(script)}
    assert declared == imported


@pytest.mark.parametrize("stage", stages())
def test_a_stage_depends_on_exactly_the_parameters_it_reads(stage: str) -> None:
    """Training stages check their own sections alone, so that a new analysis parameter repeats no training."""
    declared = {name.replace("runs.${key}", "runs") for name in stages()[stage].get("params", [])}
    experiment = {"model", "data", "optimizer", "stopping"}
    if stage == "train":
        assert declared == {"runs"} | experiment
    elif stage.startswith("intervene"):
        own = {"interventions.window", "interventions.rank", "interventions.target"}
        assert declared == {"runs.${item.run}"} | experiment | own
    elif stage.startswith("ablate"):  # changes one parameter at a time of all that the analysis has
        declared.remove("ablation.${item.axis}")
        assert declared == {axis.parameter.partition(".")[0] for axis in AXES.values()} | {"random_directions"}
    else:
        assert declared == parameters_read(script_of(stage))


def parameters_read(script: Path) -> set[str]:
    """Dotted keys of what a script reads of its ``params``."""

    def dotted(node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return "" if node.id == "params" else None
        if isinstance(node, ast.Attribute) and (inner := dotted(node.value)) is not None:
            return f"{inner}.{node.attr}" if inner else node.attr
        return None

    nodes = list(ast.walk(ast.parse(script.read_text())))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    chains = (dotted(node) for node in nodes if isinstance(node, ast.Attribute) and id(node) not in inner)
    return {chain for chain in chains if chain}


def test_every_axis_is_ablated() -> None:
    found = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    axes = {name: found[name]["matrix"]["axis"] for name in ("ablate", "ablate_batch")}
    assert sorted([*axes["ablate"], *axes["ablate_batch"]]) == sorted(AXES)
    assert all(axis.startswith("batch_") == (name == "ablate_batch") for name in axes for axis in axes[name])


def test_few_stages_read_checkpoints() -> None:
    """So that the rest of the analysis can be done from the gradients file alone."""
    reads = {name for name, stage in stages().items() if any("artifacts/checkpoints" in dep for dep in stage["deps"])}
    assert reads == {"dump", "trajectory", "curvature", "ablate_batch"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_stage_script_fits_on_a_screen(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 50
