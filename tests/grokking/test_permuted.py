"""The null with permuted answers: what is permuted, and that its ratios are those of the coupling stage's own calls."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sedlib.grokking.setup.params import Params
from sedlib.pipeline.coupling import permuted_answers
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.coupling.permuted_answers import measure_permuted, streams_on, with_permuted_answers
from sedlib.pipeline.parameters.permuted_params import PermutedAnalysis, PermutedParams
from sedlib.pipeline.rows.bases_file import read_bases
from sedlib.pipeline.rows.fixed_choices import fixed_batch
from sedlib.pipeline.rows.streams import read_streams
from sedlib.pipeline.study import Examples
from tests.grokking.test_ablations import opened
from tests.grokking.test_training import experiment, write
from tests.tiny import TINY

PARAMS = Params.model_validate({**TINY, "gradient_batch": {"size": 15}})
SETTINGS = PermutedAnalysis.model_validate(
    {
        **PARAMS.model_dump(include=set(PermutedAnalysis.model_fields)),
        "permuted": PermutedParams(count=3, measured=3).model_dump(),
    }
)


@pytest.fixture(scope="module")
def checkpoints_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints.h5"
    write(path, experiment())
    return path


def measured(checkpoints_file: Path, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The stage's table, and the coupling stage's, of the tiny run of two operations."""
    with opened(checkpoints_file, folder, PARAMS) as (checkpoints, networks, bases):
        found = read_streams(networks.file, networks.study)
        streams = [(stream, read_bases(bases, stream)) for stream in found if stream.task]
        coupling = pd.DataFrame(measure_coupling(networks, streams, PARAMS))
        return pd.DataFrame(measure_permuted(checkpoints, networks, coupling, SETTINGS)), coupling


def test_the_answers_of_all_tasks_go_to_other_examples_by_one_permutation() -> None:
    batch = Examples(torch.arange(20)[:, None], torch.stack([torch.arange(20), 100 + torch.arange(20)]))
    found = with_permuted_answers(batch, torch.Generator().manual_seed(0))
    assert torch.equal(found.inputs, batch.inputs)
    assert not torch.equal(found.targets, batch.targets)
    assert sorted(found.targets[0].tolist()) == list(range(20))
    assert torch.equal(found.targets[1], found.targets[0] + 100)


def test_gradients_on_the_batch_itself_are_the_dumps(checkpoints_file: Path, tmp_path: Path) -> None:
    with opened(checkpoints_file, tmp_path, PARAMS) as (checkpoints, networks, _):
        batch = fixed_batch(checkpoints.study, PARAMS.gradient_batch)
        for stream in streams_on(checkpoints, batch, "gradients"):
            np.testing.assert_array_equal(stream.rows, networks.file[stream.name][:])


def test_with_answers_left_where_they_are_the_null_is_the_gradients_own_ratio(
    checkpoints_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the null is measured as the coupling stage measures, at the chosen checkpoints, on both windows."""
    monkeypatch.setattr(permuted_answers, "with_permuted_answers", lambda batch, _: batch)
    table, coupling = measured(checkpoints_file, tmp_path)
    np.testing.assert_allclose(table["permuted_mean"], table["ratio"], rtol=1e-5)
    np.testing.assert_allclose(table["permuted_sd"], 0, atol=1e-4)
    own = coupling[coupling["stream"] == "gradient/" + coupling["op"]]
    expected = own.groupby(["step", "op", "window"])["ratio"].mean()
    for row in table.to_dict("records"):
        assert row["ratio"] == pytest.approx(expected.loc[(row["step"], row["op"], row["window"])])
    assert set(table["window"]) == {1, 3}
    assert table["step"].nunique() == 3
    assert (table["n"] == 3).all()


def test_permuted_answers_give_another_direction(checkpoints_file: Path, tmp_path: Path) -> None:
    table, _ = measured(checkpoints_file, tmp_path)
    assert (table["permuted_sd"] > 0).all()
    assert (abs(table["permuted_mean"] / table["ratio"] - 1) > 1e-3).all()
