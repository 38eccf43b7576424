"""Shapes and dtypes in annotations are checked at every call, in tests only; one thread, as arrays are tiny."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import hypothesis
import jaxtyping
import pytest
import torch
from filelock import FileLock
from jaxtyping import install_import_hook

from tests.annotations import checked
from tests.clone import ALL, CODE, REPORT, Clone, copied, names

hook = install_import_hook("sedlib", f"{checked.__module__}.{checked.__name__}")
torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # on a busy machine a limit says nothing of the code
hypothesis.settings.load_profile("untimed")


LONGEST_FIRST = [
    *("pipeline", "cluster_kills", "experiments", "sharing", "other_study"),
    *("cluster", "cluster_slurm", "sweeps", "wheel"),
]
"""Files that run real DVC in clones, or build; one that starts last leaves the other processes without work."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()) or item.get_closest_marker("long"):
            item.add_marker("slow")  # the fixture is a pipeline that ran
    places = {f"test_{name}": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(autouse=True, scope="module")
def environment_of_its_own() -> Iterator[None]:
    """Variables that a library leaves behind, as a nanny of Dask does, would change how other files' tests start."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Clone:
    """A clone whose pipeline ran once, the same one in all processes of a session; copy it to change it."""
    base = tmp_path_factory.getbasetemp()
    clone = Clone((base if worker_id == "master" else base.parent) / "finished/sedlib")
    done = clone.folder.with_name("done")
    with FileLock(f"{clone.folder.parent}.lock"):
        if not done.exists():
            shutil.rmtree(clone.folder, ignore_errors=True)  # of another process, where it failed
            copied(clone.folder)
            assert sorted(clone.repro()) == sorted(CODE + names(ALL) + REPORT)
            done.touch()
    return clone


@pytest.fixture
def clone(finished: Clone, tmp_path: Path) -> Clone:
    """A copy of the finished clone, to change."""
    shutil.copytree(finished.folder, tmp_path / "sedlib", symlinks=True)
    return Clone(tmp_path / "sedlib")


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are not checked, as it is for users: what is refused here is refused by the code itself."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
