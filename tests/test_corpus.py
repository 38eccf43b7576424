"""Sealed HDF5 files of changed bytes that fuzzing found (tests/campaigns/fuzz_hdf5.py), a kind of outcome each."""

import gzip
from pathlib import Path

import pytest

from sedlib.base.hdf5 import rehearsal
from sedlib.base.hdf5.store import ArtifactError
from tests.campaigns.sample import SCHEMA, write_sealed
from tests.imports import ROOT

FOUND = sorted((ROOT / "tests/corpus/hdf5").glob("*.gz"))


@pytest.mark.parametrize("packed", FOUND, ids=lambda path: path.stem)
def test_a_fuzzed_file_is_read_or_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: Path
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 0.3 if packed.stem.startswith("hang") else 60.0)
    path = tmp_path / "sample.h5"
    write_sealed(path, gzip.decompress(packed.read_bytes()))
    said = read(path)
    assert said.isprintable()
    assert ("HDF5 runs for ever" in said) == packed.stem.startswith("hang")


def read(path: Path) -> str:
    """What is said of a file; nothing of one that is read."""
    try:
        with SCHEMA.open(path) as file:
            for name in SCHEMA.datasets:
                file[name][:]
    except ArtifactError as error:
        return str(error)
    return ""
