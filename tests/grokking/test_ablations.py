"""Each ablated value gives what the pipeline gives with that parameter, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from sedlib.grokking.setup.params import Params
from sedlib.grokking.study import Grokking
from sedlib.pipeline.coupling import ablation as ablations
from sedlib.pipeline.coupling.ablation import Ablation
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.parameters.ablation_params import AXES
from sedlib.pipeline.rows.bases_file import open_bases, read_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import read_streams
from tests.grokking.test_training import CPU, experiment, write
from tests.tiny import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("production")]

VALUES: dict[str, list[Any]] = {
    "window": [1, 3, 5],
    "rank": [1, 2, 3, 4],
    "alignment": ["trailing", "forward"],
    "batch_size": [10, 15],
    "batch_seed": [0, 1],
    "batch_pairs": ["all", "train", "test"],
    "epsilon": [0.001, 0.005],
    "response": ["difference", "jvp"],
    "probe_seed": [0, 1],
    "probe_count": [8, 16],
    "centroid": ["logit", "full"],
}
PARAMS = Params.model_validate({**TINY, "gradient_batch": {"size": 15}, "ablation": {"runs": ["both-1"], **VALUES}})


@pytest.fixture(scope="module")
def checkpoints_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints.h5"
    write(path, experiment())
    return path


@pytest.fixture(scope="module")
def table_of(checkpoints_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Params], pd.DataFrame]:
    """The coupling stage's table for the given parameters, from the same checkpoints, by the stages' own calls."""

    def pipeline(params: Params) -> pd.DataFrame:
        folder = tmp_path_factory.mktemp("pipeline")
        with opened(checkpoints_file, folder, params) as (_, networks, bases):
            found = read_streams(networks.file, networks.study)
            streams = [(stream, read_bases(bases, stream)) for stream in found if stream.task]
            return pd.DataFrame(measure_coupling(networks, streams, params))

    return pipeline


class opened:  # noqa: N801
    """A run's checkpoints, networks with gradients, and bases for the given parameters."""

    def __init__(self, checkpoints: Path, folder: Path, params: Params) -> None:
        shutil.copy(checkpoints, folder / "both-1.h5")
        self.context = RunCheckpoints.open(folder / "both-1.h5", Grokking(experiment()), CPU)
        self.folder, self.params = folder, params

    def __enter__(self) -> tuple[RunCheckpoints, MeasuredNetworks, h5py.File]:
        checkpoints = self.context.__enter__()
        write_streams(self.folder / "gradients.h5", checkpoints, self.params)
        self.gradients = MeasuredNetworks.open(self.folder / "gradients.h5", Grokking(experiment()), CPU)
        networks = self.gradients.__enter__()
        write_bases(self.folder / "bases.h5", networks.file, Grokking(experiment()), self.params, CPU)
        self.bases = open_bases(self.folder / "bases.h5", Grokking(experiment()))
        return checkpoints, networks, self.bases.__enter__()

    def __exit__(self, *error: Any) -> None:
        for context in (self.bases, self.gradients, self.context):
            context.__exit__(*error)


@pytest.fixture(scope="module")
def base(table_of: Callable[[Params], pd.DataFrame]) -> pd.DataFrame:
    return table_of(PARAMS)


@pytest.fixture
def ablated(checkpoints_file: Path, tmp_path: Path, base: pd.DataFrame) -> Iterator[Callable[[str], pd.DataFrame]]:
    with opened(checkpoints_file, tmp_path, PARAMS) as (checkpoints, networks, bases):
        ablation = Ablation(PARAMS, networks, bases, base, checkpoints)
        yield lambda axis: pd.DataFrame(ablation.along(axis))


@pytest.mark.parametrize("axis", AXES)
def test_a_value_gives_what_the_pipeline_gives_with_that_parameter(
    ablated: Callable[[str], pd.DataFrame], table_of: Callable[[Params], pd.DataFrame], axis: str
) -> None:
    found = ablated(axis)
    assert found["axis"].unique().tolist() == [axis]
    assert found["value"].unique().tolist() == VALUES[axis]
    for value in VALUES[axis]:
        params = PARAMS.varied(axis, value)
        expected = table_of(params)
        expected = expected[
            (expected["stream"] == "gradient/" + expected["op"]) & (expected["window"] == params.window)
        ]
        ours = found[found["value"] == value].drop(columns=["axis", "value"])
        assert set(ours["op"]) == {"add", "mul"}
        for column in expected:
            if pd.api.types.is_float_dtype(expected[column]):
                np.testing.assert_allclose(ours[column], expected[column], rtol=1e-5)
            else:
                assert ours[column].tolist() == expected[column].tolist()


def test_what_the_coupling_stage_measured_is_not_measured_again(
    ablated: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def counting(*arguments: Any, **keywords: Any) -> Iterator[dict[str, Any]]:
        measured.append((keywords["label"], arguments[3] is None))
        return measure_coupling(*arguments, **keywords)

    monkeypatch.setattr(ablations, "measure_coupling", counting)
    for axis in ("window", "rank", "epsilon", "batch_size"):
        ablated(axis)
    assert measured == [
        ("window 5", False),  # the baseline is given; W = 1 and W = 3 are there
        ("rank 3", False),  # once for all ranks within the window
        ("rank 4", False),
        ("epsilon 0.001", True),
        ("batch_size 10", False),
    ]
