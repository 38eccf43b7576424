"""A disk that is full in the middle: what is written stays whole, and the message says what to do."""

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from sedlib.base import tensors_to_disk
from sedlib.base.atomic import WriteError
from sedlib.own.row_folder import RowFolder
from sedlib.vectors import ParamLayout

NUMBERS = ParamLayout(("weight",), ((100_000,),))


def test_a_file_that_cannot_grow_is_refused_by_name(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = RowFolder(tmp_path, NUMBERS)
    folder.append(0, {"update": torch.ones(100_000)})
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(WriteError, match=r"step-000000010.safetensors cannot be written: the file would exceed"):
            folder.append(10, {"update": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["about.json", "step-000000000.safetensors"]
    folder.append(10, {"update": torch.ones(100_000)})
    assert folder.stream("update").steps == [0, 10]


def test_a_full_disk_is_told_from_what_safetensors_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: Any, place: Any, header: Any) -> None:
        raise SafetensorError(f"Error while serializing: I/O error: No space left (os error {errno.ENOSPC})")

    monkeypatch.setattr(tensors_to_disk, "save_file", full)
    with pytest.raises(WriteError, match="cannot be written: no space is left on its disk; free space, or move"):
        RowFolder(tmp_path, NUMBERS).append(0, {"update": torch.ones(100_000)})
