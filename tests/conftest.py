"""Shapes and dtypes in annotations are checked at every call, in tests only; one thread, as arrays are tiny."""

import shutil
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

from tests.clone import ALL, REPORT, Clone, copied, names

hook = install_import_hook("sedlib", "beartype.beartype")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose pipeline ran once; copy it to change it."""
    clone = copied(tmp_path_factory.mktemp("clone") / "sedlib")
    assert sorted(clone.repro()) == sorted(names(ALL) + REPORT)
    return clone


@pytest.fixture
def clone(finished: Clone, tmp_path: Path) -> Clone:
    """A copy of the finished clone, to change."""
    shutil.copytree(finished.folder, tmp_path / "sedlib", symlinks=True)
    return Clone(tmp_path / "sedlib")
