"""HDF5 files as each version wrote them, packed, kept for ever: each is read, or refused by name. None is ever redone.

A version that ends the reading of one moves it from ``READ`` to ``REFUSED``, with what its message says.
"""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from sedlib.base.hdf5.store import ArtifactError
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.study import Grokking
from sedlib.pipeline.centroids.centroid_file import open_centroids
from sedlib.pipeline.rows.bases_file import open_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from tests.imports import ROOT

FROZEN = ROOT / "tests/frozen/hdf5"
STUDY = Grokking(Experiment.load("add-1", FROZEN / "params.yaml"))
CPU = torch.device("cpu")


def unpacked(folder: Path, name: str) -> Path:
    path = folder / name / "add-1.h5"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress((FROZEN / f"{name}.h5.gz").read_bytes()))
    return path


def checkpoints(folder: Path, version: int) -> Any:
    return RunCheckpoints.open(unpacked(folder, f"checkpoints-{version}"), STUDY, CPU)


def gradients(folder: Path, version: int) -> Any:
    return MeasuredNetworks.open(unpacked(folder, f"gradients-{version}"), STUDY, CPU)


def bases(folder: Path, version: int) -> Any:
    return open_bases(unpacked(folder, f"bases-{version}"), STUDY)


@contextmanager
def centroids(folder: Path, version: int) -> Iterator[h5py.File]:
    with gradients(folder, 4) as networks, open_centroids(unpacked(folder, f"centroids-{version}"), networks) as file:
        yield file


BEFORE_SEALS = "found no seal: an older sedlib or another program wrote the file"
REFUSED: dict[str, tuple[Callable[[Path, int], Any], int, str]] = {
    "checkpoints": (checkpoints, 1, f"expected a checkpoints/2 artifact, {BEFORE_SEALS}"),
    "gradients": (gradients, 3, f"expected a gradients/4 artifact, {BEFORE_SEALS}"),
    "bases": (bases, 2, f"expected a bases/3 artifact, {BEFORE_SEALS}"),
    "centroids": (centroids, 1, f"expected a centroids/2 artifact, {BEFORE_SEALS}"),
}


@pytest.mark.parametrize(("reader", "version", "message"), REFUSED.values(), ids=list(REFUSED))
def test_a_file_of_an_older_schema_is_refused_by_name(
    tmp_path: Path, reader: Callable[[Path, int], Any], version: int, message: str
) -> None:
    with pytest.raises(ArtifactError, match=message), reader(tmp_path, version):
        pass


def test_today_s_files_are_read(tmp_path: Path) -> None:
    with checkpoints(tmp_path, 2) as found:
        assert found.steps == [0, 1, 2, 3]
        assert float(found.load(3).state_dict()["token"].sum()) == pytest.approx(-0.16478, abs=1e-5)
    with bases(tmp_path, 3) as found:
        values = found["streams/update/window-2/singular_values"][0].tolist()
        assert values == pytest.approx([0.10623, 0.03181], abs=1e-5)
    with centroids(tmp_path, 2) as found:
        assert float(np.abs(found["centroids/add"][:]).mean()) == pytest.approx(0.10878, abs=1e-5)
