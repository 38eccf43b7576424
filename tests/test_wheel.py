"""The wheel works where there is no checkout: the library alone, then with the extra of the pipeline."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from sedlib.base.installed.extras import DISTRIBUTION
from tests.imports import ROOT
from tests.installed import Environment, built, environment

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def library(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The base install."""
    return environment(tmp_path_factory.mktemp("library") / "venv", distributions[1])


def tracked() -> set[str]:
    """Files of the package that git has, or would take."""
    listed = ["git", "ls-files", "-co", "--exclude-standard", "sedlib"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in found if (ROOT / name).is_file()}


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    scripts = {f"sedlib/stages/{script.name}" for script in (ROOT / "stages").glob("*.py")}
    assert held == tracked() | scripts, "pyproject.toml lists files that are no Python under package-data"
    assert {"sedlib/py.typed", "sedlib/base/machine/tested.json", "sedlib/report/page/page.html.j2"} <= held


def test_the_source_distribution_holds_the_package_and_what_builds_it(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    assert tracked() | {"pyproject.toml", "README.md", "LICENSE"} <= held
    assert not any(name.startswith("tests/") for name in held)


def test_every_listed_name_is_found_without_dvc_and_dask_or_says_what_to_install(library: Environment) -> None:
    code = """if True:
        import sys, sedlib
        from importlib.metadata import version
        from importlib.util import find_spec
        assert not [name for name in ("dvc", "dask", "vl_convert", "transformers", "pytest") if find_spec(name)]
        print(sedlib.__file__, version(sys.argv[1]), sep="\\n")
        for name in dir(sedlib):
            try:
                getattr(sedlib, name)
            except ImportError as error:
                print(error)
    """
    done = library.call("python", "-I", "-W", "error", "-c", code, DISTRIBUTION)
    assert done.returncode == 0, done.stderr
    file, version, *errors = done.stdout.splitlines()
    assert Path(file).is_relative_to(library.packages)
    assert version == PROJECT["version"]
    command = f"pip install '{DISTRIBUTION}[huggingface]'"
    assert errors == [f"RecorderCallback: transformers is not installed: run `{command}`"]


def test_the_command_says_what_it_does_and_its_selftest_passes(library: Environment) -> None:
    helped = library.call("sedlib", "--help")
    assert (helped.returncode, "selftest" in helped.stdout) == (0, True), helped.stderr
    done = library.call("sedlib", "selftest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"all \d+ routines passed on \w+", done.stderr)
    assert list((library.work / ".cache/sedlib/selftest").glob("*.json")), "the record is of this user's folder"


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("repro", "distributed", "cluster"),
        ("sweep -S window=1,5", "dvc", "pipeline"),
        ("dag", "dvc", "pipeline"),
        ("verify", "dvc", "pipeline"),
        ("repair", "dvc", "pipeline"),
    ],
)
def test_a_command_whose_extra_is_missing_says_what_to_install(
    library: Environment, command: str, module: str, extra: str
) -> None:
    done = library.call("sedlib", *command.split())
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {module} is not installed: run `pip install '{DISTRIBUTION}[{extra}]'`")
    assert done.stderr.count("\n") == 1


def test_a_stage_is_imported_or_says_what_to_install(library: Environment) -> None:
    """Python prints a traceback, unless the stage says so, for what is missing among its first lines."""
    others = [str(script) for script in sorted((ROOT / "stages").glob("*.py")) if script.stem != "report"]
    code = "import runpy, sys; print([runpy.run_path(script, run_name='imported') for script in sys.argv[1:]])"
    done = library.call("python", "-c", code, *others)
    assert (done.returncode, done.stderr) == (0, "")
    done = library.call("python", ROOT / "stages/report.py")
    assert done.returncode == 1
    assert done.stderr == f"error: vl_convert is not installed: run `pip install '{DISTRIBUTION}[pipeline]'`\n"


def test_the_page_is_rendered_from_the_files_of_the_wheel(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    pipeline = environment(tmp_path / "venv", distributions[1], "pipeline")
    code = """if True:
        import pandas, dvc
        from pathlib import Path
        from sedlib.report.page.html import Content, page
        tables = {"claims": pandas.DataFrame({"claim": ["<b>"]})}
        print(page(Content({}, Path("none"), tables, {}, {}, {"packages": "none"})))
    """
    done = pipeline.call("python", "-I", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "&lt;b&gt;" in done.stdout
    assert all((ROOT / f"sedlib/report/page/page.{kind}").read_text() in done.stdout for kind in ("css", "js"))
    assert "error: distributed is not installed" in pipeline.call("sedlib", "repro").stderr


def test_a_type_checker_sees_the_types_of_what_is_listed(library: Environment) -> None:
    """Other packages are left out, which it would read for a minute."""
    (library.work / "mypy.ini").write_text("[mypy]\nstrict = true\n[mypy-torch.*,numpy.*]\nfollow_imports = skip\n")
    program = 'import sedlib\n\nreveal_type(sedlib.rolling_bases)\nsedlib.rolling_bases(None, window="ten")\n'
    (library.work / "program.py").write_text(program)
    checked = ["-m", "mypy", "--python-executable", str(library.python), "--cache-dir", "mypy-cache", "program.py"]
    done = subprocess.run(
        [sys.executable, "-I", *checked], cwd=library.work, capture_output=True, text=True, check=False
    )
    assert re.search(r'program.py:3: note: Revealed type is "def \(.*window: int', done.stdout), done.stdout
    assert 'program.py:4: error: Argument "window"' in done.stdout
    assert "py.typed" not in done.stdout
