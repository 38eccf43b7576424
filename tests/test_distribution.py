"""The distribution has one name, extras bring what their rooms import, and the library imports nothing of theirs."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from sedlib.base.errors import UserError
from sedlib.base.installed.extras import DISTRIBUTION, EXTRAS, what_to_install
from sedlib.cluster.worker import workers
from tests.imports import ROOT, import_closure

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(text).name for text in PROJECT["dependencies"]]
MODULE_OF = {"ruamel.yaml": "ruamel", "vl-convert-python": "vl_convert"}
"""Distributions whose module has another name."""
COMES_WITH = {"dvc_data": "dvc", "voluptuous": "dvc", "pydantic_core": "pydantic"}
"""Modules of distributions that another one requires, and nobody else asks for."""
BEHIND = {"configobj": "dvc", "hydra": "dvc"}
"""The same, of modules that are imported after those that bring them, so that no error is about them."""
NOT_IMPORTED = {"ruamel.yaml.clib", "tabulate", "bokeh", "cryptography", "accelerate"}
"""Distributions that others import where they are there."""
LIBRARY = ["base", "terms", "slots", "models", "sketches", "saved", "own"]
"""Rooms of the base install, beside the files of the library."""
OF_AN_EXTRA = {"own/live/recorder_callback.py": "huggingface"}
"""Files of these rooms that import something of an extra, where it is needed."""


def asked(extra: str) -> set[str]:
    """Names of the distributions that pyproject.toml lists for an extra."""
    return {Requirement(text).name for text in PROJECT["optional-dependencies"][extra]} - {DISTRIBUTION}


def imported(file: Path) -> set[str]:
    """Modules of others that a file imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    tops = {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"sedlib"}
    return {(COMES_WITH | BEHIND).get(top, top) for top in tops}


def modules(names: set[str]) -> set[str]:
    """Modules of distributions."""
    return {MODULE_OF.get(name, name) for name in names - NOT_IMPORTED}


def of_the_base_install() -> set[Path]:
    """Files that must be importable there: the library's, and all that the selftest uses."""
    rooms = {file for room in LIBRARY for file in (ROOT / "sedlib" / room).rglob("*.py")}
    files = rooms | set((ROOT / "sedlib").glob("*.py")) - {ROOT / "sedlib/cli.py"}
    return files | import_closure(ROOT / "sedlib/selftest/selftest_command.py")


def test_the_base_install_has_what_the_library_and_the_selftest_import() -> None:
    for file in sorted(of_the_base_install()):
        extra = OF_AN_EXTRA.get(str(file.relative_to(ROOT / "sedlib")))
        allowed = modules(set(BASE)) | (modules(asked(extra)) if extra else set())
        assert imported(file) <= allowed, f"{file} imports {imported(file) - allowed}"


@pytest.mark.parametrize(
    ("room", "extras"),
    [
        ("pipeline", ["pipeline"]),
        ("grokking", ["pipeline"]),
        ("report", ["pipeline"]),
        ("upkeep", ["pipeline"]),
        ("studies", ["pipeline"]),
        ("cluster", ["pipeline", "cluster"]),
    ],
)
def test_an_extra_brings_what_its_rooms_import(room: str, extras: list[str]) -> None:
    allowed = modules(set(BASE).union(*map(asked, extras)))
    for file in sorted((ROOT / "sedlib" / room).rglob("*.py")):
        assert imported(file) <= allowed, f"{file} imports {imported(file) - allowed}"


def test_nothing_is_installed_that_nobody_imports() -> None:
    wanted = modules(set(BASE) | asked("pipeline") | asked("cluster"))
    assert wanted == wanted & set().union(*map(imported, (ROOT / "sedlib").rglob("*.py")))


def test_every_module_of_an_extra_is_known_to_the_sentence_that_says_what_to_install() -> None:
    assert EXTRAS.keys() == PROJECT["optional-dependencies"].keys() - {"test"}
    for extra, known in EXTRAS.items():
        with_others = {module for module, of in COMES_WITH.items() if of in asked(extra)}
        named = {MODULE_OF.get(name, name) for name in asked(extra)} - {"ruamel.yaml.clib"}
        assert known == named | with_others


def test_another_error_of_an_import_is_not_taken_for_a_missing_extra() -> None:
    """A package that is there, and lacks a module or a name, is of another version: its traceback says more."""
    for error in (ModuleNotFoundError("no", name="dvc.nowhere"), ImportError("no", name="dvc"), ModuleNotFoundError()):
        assert what_to_install(error) is None
    behind = ImportError("Import tabulate failed")
    behind.__cause__ = ModuleNotFoundError("no", name="tabulate")
    assert what_to_install(behind) == f"tabulate is not installed: run `pip install '{DISTRIBUTION}[pipeline]'`"


def test_a_traceback_is_printed_for_any_other_error() -> None:
    code = "import sedlib.base.script; import sedlib.nowhere"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert "No module named 'sedlib.nowhere'" in done.stderr


def test_the_distribution_has_one_name_and_code_has_it_in_one_place() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    holders = [file.name for file in (ROOT / "sedlib").rglob("*.py") if DISTRIBUTION in file.read_text()]
    assert holders == ["extras.py"]
    calls = r"(?:version|requires|metadata|distribution|files)\(['\"](?:sedlib|spectral)"
    assert not [file for file in (ROOT / "sedlib").rglob("*.py") if re.search(calls, file.read_text())]


TELLS_TO_INSTALL = re.compile(r"\b(?:install|add|download|wheel)(?:\s+-\S+)*\s+['\"`]?sedlib(?![\w./-])", re.IGNORECASE)
"""The other distribution of that name, by pip, pipx, uv or conda."""


@pytest.mark.parametrize("text", ["pip install sedlib", "pip install -q 'sedlib[x]'", "uv add sedlib==1"])
def test_the_other_distribution_is_recognised(text: str) -> None:
    assert TELLS_TO_INSTALL.search(text)
    assert not TELLS_TO_INSTALL.search(text.replace("sedlib", DISTRIBUTION))


def test_no_page_tells_anybody_to_install_the_other_distribution_of_that_name() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    kinds = {".md", ".j2", ".py", ".toml", ".yaml", ".txt", ".cff", ".ipynb", ""}
    files = [ROOT / name for name in listed if name and Path(name).suffix in kinds and not name.startswith("tests/")]
    texts = {file: file.read_text() for file in files if file.is_file()}
    assert ROOT / "README.md" in texts
    assert [str(file) for file, text in texts.items() if TELLS_TO_INSTALL.search(text)] == []


def test_workers_are_asked_for_the_versions_of_all_that_stages_on_them_need(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        f"{text}; extra == '{extra}'" for extra, texts in PROJECT["optional-dependencies"].items() for text in texts
    ]
    monkeypatch.setattr(metadata, "requires", {DISTRIBUTION: [*PROJECT["dependencies"], *listed]}.get)
    monkeypatch.setattr(metadata, "version", lambda name: f"version of {name}")
    found = workers.versions.__wrapped__()
    assert found.keys() == {"Python", DISTRIBUTION, *BASE, *asked("pipeline"), *asked("cluster")}


def test_a_worker_without_the_distribution_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    with pytest.raises(UserError, match=f"{DISTRIBUTION} is not installed: run `make`"):
        workers.versions.__wrapped__()
