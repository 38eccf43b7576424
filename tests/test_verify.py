"""`sedlib verify` in a small repository: whatever is damaged is named, and is restored or removed."""

import subprocess
from pathlib import Path

import pytest

from tests.clone import Clone
from tests.kept import flip, repository, run

PIPELINE = """
stages:
  make:
    foreach: [run-1, run-2]
    do:
      cmd: python -m tests.made_file ${item}
      outs: ["${item}.h5"]
  draw:
    cmd: mkdir drawn && echo one > drawn/one.svg && echo two > drawn/two.svg
    outs: [drawn]
"""


@pytest.fixture(scope="module", params=["hardlink", "copy"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its stages ran, and their outputs are in a remote too; workspace and cache are one file, or two."""
    folder = tmp_path_factory.mktemp("finished")
    repository(folder, PIPELINE, request.param)
    return folder


@pytest.fixture
def clone(finished: Path, tmp_path: Path) -> Clone:
    subprocess.run(["cp", "-a", f"{finished}/.", tmp_path], check=True)  # links stay links
    return Clone(tmp_path / "toy")


def of(clone: Clone, store: str, name: str) -> Path:
    """The object of a file in the workspace."""
    folder = clone.folder / ".dvc/cache" if store == "cache" else clone.folder.parent / "shared"
    content = (clone.folder / name).read_bytes()
    return next(file for file in folder.rglob("*") if file.is_file() and file.read_bytes() == content)


def contents(clone: Clone) -> dict[str, bytes]:
    files = [clone.folder / name for name in ("run-1.h5", "run-2.h5", "drawn/one.svg", "drawn/two.svg")]
    stores = [clone.folder / ".dvc/cache/files", clone.folder.parent / "shared/files"]
    files += [file for store in stores for file in store.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files if file.exists()}


def test_what_is_whole_is_said_to_be(clone: Clone) -> None:
    assert "5 objects that the locks name: none that is present is damaged" in run(
        clone, "sedlib", "verify", "--remote"
    )


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("run-1.h5", ["cache"]),
        ("run-1.h5", ["remote"]),
        ("run-1.h5", ["workspace"]),
        ("run-1.h5", ["cache", "workspace"]),
        ("run-1.h5", ["cache", "remote"]),
        ("drawn/two.svg", ["cache"]),
        ("drawn/two.svg", ["remote"]),
    ],
    ids=str,
)
def test_damage_is_named_and_fixed(clone: Clone, name: str, places: list[str]) -> None:
    before = contents(clone)
    files = [clone.folder / name if place == "workspace" else of(clone, place, name) for place in places]
    for file in {file.stat().st_ino: file for file in files}.values():
        flip(file)
    found = run(clone, "sedlib", "verify", "--remote", code=1)
    assert f"{name}, which {'make@run-1' if name.endswith('.h5') else 'draw'} writes" in found
    assert "run-2" not in found
    assert "one.svg" not in found
    hopeless = "cache" in places and "remote" in places and (clone.folder / name).stat().st_nlink > 1
    run(clone, "sedlib", "verify", "--remote", "--fix", name, code=1 if hopeless else 0)
    run(clone, "sedlib", "verify", "--remote")
    assert hopeless or contents(clone) == before


def test_what_is_whole_nowhere_is_taken_away_and_computed_anew(clone: Clone) -> None:
    before = contents(clone)
    every = [of(clone, "remote", "run-1.h5"), of(clone, "cache", "run-1.h5"), clone.folder / "run-1.h5"]
    for path in {path.stat().st_ino: path for path in every}.values():
        flip(path)
    found = run(clone, "sedlib", "verify", "--remote", "--fix", code=1)
    assert "whole nowhere" in found
    (command,) = [line for line in found.splitlines() if line.startswith("Compute them again: ")]
    run(clone, *command.removeprefix("Compute them again: ").split())
    run(clone, "dvc", "push")
    run(clone, "sedlib", "verify", "--remote")
    assert contents(clone) == before


def test_a_list_of_files_is_fixed_and_its_files_then(clone: Clone) -> None:
    before = contents(clone)
    listing = next((clone.folder / ".dvc/cache/files").rglob("*.dir"))
    flip(of(clone, "cache", "drawn/one.svg"))
    flip(listing)
    run(clone, "sedlib", "verify", "--fix")
    assert contents(clone) == before


def test_a_file_newer_than_its_lock_is_left_alone(clone: Clone) -> None:
    run(clone, "python", "-m", "tests.made_file", "run-1", "new")
    content = (clone.folder / "run-1.h5").read_bytes()
    run(clone, "sedlib", "verify", "--fix")
    assert (clone.folder / "run-1.h5").read_bytes() == content


def test_a_path_that_dvc_does_not_keep(clone: Clone) -> None:
    assert "DVC's locks name nothing at other.h5" in run(clone, "sedlib", "verify", "other.h5", code=1)
    assert "DVC refuses" in run(clone, "sedlib", "verify", "--remote", "nowhere", code=1)
