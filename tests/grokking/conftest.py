"""Open files of the run in a module's ``folder``, the tiny run of two operations."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

from sedlib.grokking.study import Grokking
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import open_gradients
from tests.grokking.test_training import CPU, experiment


@pytest.fixture
def checkpoints(folder: Path) -> Iterator[RunCheckpoints]:
    with RunCheckpoints.open(folder / "checkpoints.h5", Grokking(experiment()), CPU) as opened:
        yield opened


@pytest.fixture
def networks(folder: Path) -> Iterator[MeasuredNetworks]:
    with MeasuredNetworks.open(folder / "gradients.h5", Grokking(experiment()), CPU) as opened:
        yield opened


@pytest.fixture
def gradients(folder: Path) -> Iterator[h5py.File]:
    with open_gradients(folder / "gradients.h5", Grokking(experiment())) as opened:
        yield opened
