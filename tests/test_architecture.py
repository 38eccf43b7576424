"""Imports run down only, every door has one name, and what stages say of themselves in dvc.yaml is so."""

import ast
import json
import re
import subprocess
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.code.imports import imported_modules
from sedlib.pipeline.parameters.ablation_params import AXES
from sedlib.pipeline.parameters.sections import StageParams
from tests.imports import ROOT, direct_imports, import_closure

SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
PIPELINES = [ROOT / folder / "dvc.yaml" for folder in ("", "ablations", "geometry", "interventions")]
SWEEPS = sorted((ROOT / "sweeps").glob("*/dvc.yaml"))
MAY_IMPORT = {
    "base": {"base"},
    "terms": {"base", "terms"},
    "slots": {"base", "slots"},
    "library": {"base", "slots", "models", "library"},
    "models": {"base", "slots", "models", "library"},  # one floor with the library: a network is measured by its maths
    "sketches": {"base", "slots", "library", "models", "sketches"},
    "saved": {"base", "slots", "library", "models", "saved"},
    "own": {"base", "terms", "slots", "library", "models", "sketches", "saved", "own"},
    "pipeline": {"base", "terms", "library", "models", "pipeline"},
    "grokking": {"base", "terms", "library", "pipeline", "grokking"},
    "studies": {"base", "terms", "library", "models", "saved", "pipeline", "report", "studies"},
    "selftest": {"base", "terms", "library", "models", "sketches", "saved", "pipeline", "grokking", "selftest"},
    "report": {"base", "terms", "library", "report"},
    "cluster": {"base", "cluster"},
    "upkeep": {"base", "upkeep"},
}
"""Which floors a floor stands on. The library is flat: the files beside the rooms."""
HEAVY = {"torch", "dvc"}


def floor(file: Path) -> str:
    inside = file.relative_to(ROOT / "sedlib").parts
    return inside[0] if len(inside) > 1 else "library"


def modules() -> list[Path]:
    """All of sedlib but the command line, which may call anything, and the listing, which imports on demand."""
    apart = (ROOT / "sedlib/cli.py", ROOT / "sedlib/__init__.py")
    return [file for file in sorted((ROOT / "sedlib").rglob("*.py")) if file not in apart]


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_run_down_only(file: Path) -> None:
    for imported in direct_imports(file):
        assert floor(imported) in MAY_IMPORT[floor(file)], f"{file.name} must not import {imported.relative_to(ROOT)}"


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_imports_itself_in_a_circle(file: Path) -> None:
    assert file not in import_closure(file)


def test_no_two_doors_bear_one_name() -> None:
    shared = ("__init__", "study")  # study.py is a study's door in its own folder, and the protocol's
    doors = Counter(file.stem for file in modules() if file.stem not in shared)
    rooms = Counter(folder.name for folder in (ROOT / "sedlib").rglob("*") if (folder / "__init__.py").exists())
    assert [name for name, count in (doors + Counter()).items() if count > 1] == []
    assert [name for name, count in rooms.items() if count > 1] == []


def test_every_room_says_in_a_sentence_what_happens_in_it_and_is_not_too_full() -> None:
    for room in {file.parent for file in modules()} - {ROOT / "sedlib"}:
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
        assert text is not None, room
        assert text.endswith("."), room
        assert len(list(room.glob("*.py"))) <= 16, room


def _imports_of_the_listing(file: Path) -> set[str]:
    """What a package file imports outside ``if TYPE_CHECKING``."""
    tree = ast.parse(file.read_text())
    typing = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    inside = {id(inner) for node in typing for inner in ast.walk(node)}
    kinds = (ast.Import, ast.ImportFrom)
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, kinds) and id(node) not in inside}


def test_package_files_import_nothing_of_sedlib() -> None:
    for file in (ROOT / "sedlib").rglob("__init__.py"):
        found = _imports_of_the_listing(file)
        assert not any("sedlib" in text for text in found), (file, found)
        if file != ROOT / "sedlib/__init__.py":
            assert not found, file


def test_nothing_inside_imports_through_the_listing() -> None:
    """It would hide from a stage's code which module it uses."""
    for file in [*modules(), *SCRIPTS, ROOT / "study.py"]:
        assert "sedlib" not in imported_modules(file), file


def test_report_parameters_and_fingerprints_need_no_torch() -> None:
    """They start in a fraction of a second, and a report can be rendered where no torch is."""
    files = [
        "stages/report.py",
        "stages/fingerprint.py",
        "sedlib/grokking/setup/params.py",
        "sedlib/report/page/writing.py",
    ]
    for file in files:
        for module in {ROOT / file} | import_closure(ROOT / file):
            assert not {name.partition(".")[0] for name in imported_modules(module)} & HEAVY, module


def groups(file: Path) -> dict[str, Any]:
    """The stage groups of a dvc.yaml with what they do in each of their cells."""
    found = YAML(typ="safe").load(file.read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items()}


GROUPS = [(file, name) for file in PIPELINES for name in groups(file)]


def command_of(stage: dict[str, Any]) -> str:
    """What it runs, after the check of the parameters if there is one."""
    commands = stage["cmd"]
    *checks, command = [commands] if isinstance(commands, str) else commands
    assert checks in ([], ["sedlib check"])
    return str(command)


@pytest.mark.parametrize("file", [*PIPELINES, *SWEEPS, ROOT / "tests/other_study/pipeline.yaml"], ids=str)
def test_a_command_takes_its_values_as_dvc_quotes_them(file: Path) -> None:
    """Of an item as a whole DVC quotes the texts, and in outs it refuses the mappings whose keys it does not quote."""
    for name, stage in groups(file).items():
        assert set(re.findall(r"\$\{.*?\}", str(stage["cmd"]))) <= {"${item}"}, name
        written = set(re.findall(r"\$\{item\.(\w+)\}", str(stage["outs"])))
        assert written == (stage.get("matrix") or {}).keys(), name


def test_every_script_is_run_by_a_stage() -> None:
    texts = "".join(file.read_text() for file in [*PIPELINES, *SWEEPS])
    assert {ROOT / script for script in re.findall(r"python (?:\.\./)*(stages/\w+\.py)", texts)} == set(SCRIPTS)


@pytest.mark.parametrize(("file", "name"), GROUPS, ids=lambda value: getattr(value, "parent", Path(str(value))).name)
def test_a_stage_depends_on_its_own_code_and_says_what_it_does(file: Path, name: str) -> None:
    stage = groups(file)[name]
    script = Path(command_of(stage).split()[1])
    assert len(stage["desc"]) > 20
    if name != "code":
        assert [dep for dep in stage["deps"] if "artifacts/code" in dep] == [f"artifacts/code/{script.stem}.txt"]
        assert not [dep for dep in stage["deps"] if dep.endswith(".py")]


@pytest.mark.parametrize("file", [*PIPELINES, *SWEEPS], ids=lambda file: file.parent.name)
def test_a_stage_that_depends_on_the_text_of_its_run_refuses_another_run(file: Path) -> None:
    """An edit of params.yaml after the code stage would train another run than the lock says.

    A stage that reads tables need not: tables say of which run they are.
    """
    for stage in groups(file).values():
        deps, script = " ".join(map(str, stage.get("deps", []))), command_of(stage).split()[1]
        if "artifacts/setup/${item.run}.txt" not in deps or "artifacts/results/${item.run}/" in deps:
            continue
        assert "require_current_run(" in (ROOT / script).read_text(), script


@pytest.mark.parametrize(("file", "name"), GROUPS, ids=lambda value: getattr(value, "parent", Path(str(value))).name)
def test_what_chooses_a_device_is_marked_as_using_a_gpu(file: Path, name: str) -> None:
    stage = groups(file)[name]
    script = ROOT / command_of(stage).split()[1]
    chooses = ROOT / "sedlib/base/machine/hardware.py" in import_closure(script)
    assert chooses == (stage.get("meta") or {}).get("gpu", False)


def sections_read(script: Path) -> set[str]:
    """Keys of params.yaml, from the top, that the parameters have as fields which a script loads."""
    tree = ast.parse(script.read_text())
    modules = {
        alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    loads = [
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "load" and isinstance(node.value, ast.Name)
    ]
    found = [getattr(import_module(str(modules[name])), name) for name in loads if name in modules]
    sections = [section for section in found if issubclass(section, (StageParams, ProjectionParams))]
    inside = {ProjectionParams: "interventions"}  # fields of a section
    return {inside.get(section) or key for section in sections for key in section.model_fields}


@pytest.mark.parametrize(("file", "name"), GROUPS, ids=lambda value: getattr(value, "parent", Path(str(value))).name)
def test_a_stage_depends_on_the_parameters_that_its_script_loads(file: Path, name: str) -> None:
    """Training stages read their run's parameters too, of which artifacts/setup has a text."""
    stage = groups(file)[name]
    script = ROOT / command_of(stage).split()[1]
    if script.stem in ("fingerprint", "report"):  # the whole file, and a run of each
        return
    assert {key.partition(".")[0] for key in stage.get("params", [])} == sections_read(script)
    trains = "sedlib/grokking/training/loop.py" in {str(f.relative_to(ROOT)) for f in import_closure(script)}
    assert trains <= any("artifacts/setup" in dep for dep in stage["deps"])


def test_training_knows_nothing_of_measuring() -> None:
    """An edit of what is measured trains nothing."""
    used = {str(file.relative_to(ROOT / "sedlib")) for file in import_closure(ROOT / "stages/train.py")}
    measuring = {"centroids.py", "coupling.py", "bases.py", "curvature.py", "positions.py", "grokking/study.py"}
    assert not used & measuring
    assert not any(file.startswith("report/") for file in used)
    for script in ("ablate", "single_step", "coupling", "dump"):
        used = {str(file.relative_to(ROOT / "sedlib")) for file in import_closure(ROOT / f"stages/{script}.py")}
        assert not any(file.startswith("report/") for file in used), script


@pytest.mark.parametrize(
    ("script", "routines"),
    [
        ("dump", {"models/gradient_sums.py"}),
        ("bases", {"bases.py", "products.py"}),
        ("centroids", {"models/centroid_function.py", "models/checkpoint.py", "centroids.py"}),
        ("coupling", {"coupling.py", "sampling.py", "models/centroid_function.py", "bases.py"}),
    ],
)
def test_the_pipeline_measures_through_the_functions_of_ones_own_run(script: str, routines: set[str]) -> None:
    for start in (ROOT / f"stages/{script}.py", ROOT / "sedlib/own/measure_run.py"):
        assert routines <= {str(file.relative_to(ROOT / "sedlib")) for file in import_closure(start)}, start


def test_nothing_generic_imports_the_paper_s_study() -> None:
    for file in modules():
        if floor(file) not in ("grokking", "selftest", "report"):
            assert not [used for used in import_closure(file) if floor(used) == "grokking"], file


def test_every_axis_is_ablated() -> None:
    found = YAML(typ="safe").load((ROOT / "ablations/dvc.yaml").read_text())["stages"]
    axes = {name: found[name]["matrix"]["axis"] for name in ("ablate", "ablate_batch")}
    assert sorted([*axes["ablate"], *axes["ablate_batch"]]) == sorted(AXES)
    assert all(AXES[axis].needs_checkpoints == (name == "ablate_batch") for name in axes for axis in axes[name])


def test_few_stages_read_checkpoints() -> None:
    """So that the rest of the analysis can be done from the gradients file alone."""
    reads = {name for file, name in GROUPS if any("artifacts/checkpoints" in dep for dep in groups(file)[name]["deps"])}
    assert reads == {"dump", "trajectory", "curvature", "ablate_batch", "permuted"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_stage_script_fits_on_a_screen(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 50


def test_dumps_and_checkpoints_of_every_run_have_a_name() -> None:
    named = {name: found["path"] for name, found in _yaml(ROOT / "dvc.yaml")["artifacts"].items()}
    runs = _yaml(ROOT / "params.yaml")["runs"]
    kinds = ("gradients", "checkpoints")
    assert named == {f"{kind}-{run}": f"artifacts/{kind}/{run}.h5" for run in runs for kind in kinds}


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path.read_text())
    return found


def test_no_name_is_undefined() -> None:
    """ruff's own rule is off, as axes of arrays are strings that look like names: here only names outside strings."""
    command = [
        "ruff",
        "check",
        "--no-cache",
        "--exit-zero",
        "--isolated",
        "--select",
        "F821",
        "--output-format",
        "json",
    ]
    folders = ["sedlib", "stages", "benchmarks", "tests"]
    ran = subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    undefined: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for each in json.loads(ran.stdout):
        undefined[each["filename"]].add((each["location"]["row"], each["location"]["column"] - 1))
    for file, places in undefined.items():
        names = [node for node in ast.walk(ast.parse(Path(file).read_text())) if isinstance(node, ast.Name)]
        assert not [f"{file}:{node.lineno} {node.id}" for node in names if (node.lineno, node.col_offset) in places]
