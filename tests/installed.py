"""The wheel as it is built from the working tree, and environments of which it is all that they have of sedlib."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from sedlib.base.installed.extras import DISTRIBUTION
from tests.imports import ROOT

BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, f'build_{sys.argv[1]}')(sys.argv[2])"


@dataclass(frozen=True)
class Environment:
    """A virtual environment outside of the repository, and an empty folder to work in."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def packages(self) -> Path:
        return self.folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

    def call(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of its ``bin``, where nothing leads to the repository."""
        program, *arguments = command
        path = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(self.work), "SEDLIB_THREADS": "1"}
        called = [str(self.folder / "bin" / program), *map(str, arguments)]
        return subprocess.run(
            called, cwd=self.work, env=path | variables, capture_output=True, text=True, check=False, timeout=300
        )


def built(folder: Path) -> tuple[Path, Path]:
    """The source distribution of the working tree, and the wheel that is built from what it holds."""
    tree, sources, results = (folder / name for name in ("tree", "sources", "results"))
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file() and (name.startswith(("sedlib/", "stages/", "tests/")) or "/" not in name):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    results.mkdir()
    _build("sdist", tree, results)
    (source,) = results.glob("*.tar.gz")
    shutil.unpack_archive(source, sources)
    (unpacked,) = sources.iterdir()
    _build("wheel", unpacked, results)
    (wheel,) = results.glob("*.whl")
    return source, wheel


def _build(kind: str, tree: Path, results: Path) -> None:
    """As pip does it, with the setuptools that is installed here."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", BUILD, kind, str(results)], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(folder: Path, wheel: Path, *extras: str) -> Environment:
    """What ``pip install 'WHEEL[extras]'`` makes, with links to what is installed here: it downloads nothing."""
    found = Environment(folder)
    venv.create(folder, with_pip=False, symlinks=True)
    found.work.mkdir()
    pip = [sys.executable, "-m", "pip", "--python", str(found.python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
    (own,) = metadata.distributions(name=DISTRIBUTION, path=[str(found.packages)])
    for name in needed(own, extras):
        for top in _tops(metadata.distribution(name)):
            if not (found.packages / top.name).exists():
                (found.packages / top.name).symlink_to(top)
    return found


def needed(distribution: metadata.Distribution, extras: tuple[str, ...] = ()) -> set[str]:
    """Names of all that a distribution requires, directly or not, itself apart."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting = [(distribution, extras)]
    while waiting:
        one, wanted = waiting.pop()
        for requirement in _requirements(one, wanted):
            key = requirement.name.lower(), tuple(sorted(requirement.extras))
            if key not in seen:
                seen.add(key)
                same = requirement.name == distribution.name
                waiting.append((distribution if same else metadata.distribution(requirement.name), key[1]))
    return {name for name, _ in seen} - {distribution.name}


def _requirements(distribution: metadata.Distribution, extras: tuple[str, ...]) -> Iterator[Requirement]:
    for requirement in map(Requirement, distribution.requires or []):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _tops(distribution: metadata.Distribution) -> set[Path]:
    """Files and folders of a distribution that lie in site-packages itself."""
    parts = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
    return {Path(str(distribution.locate_file(part))) for part in parts}
