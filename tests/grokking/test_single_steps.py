"""Bases from one checkpoint of a tiny run against a dense SVD of looped gradients."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from sedlib.grokking.setup.pairs import answers
from sedlib.grokking.study import Grokking
from sedlib.pipeline.coupling.single_checkpoints import measure_single_steps
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.centroid_params import ProbeParams
from sedlib.pipeline.parameters.coupling_params import RandomDirectionParams, ResponseParams
from sedlib.pipeline.parameters.phase_params import PhaseParams
from sedlib.pipeline.parameters.row_params import GradientBatchParams, RowParams
from sedlib.pipeline.rows.bases_file import open_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.selftest.oracles import looped_gradient, principal_cosines
from tests.grokking.test_training import CPU, experiment, write

pytestmark = pytest.mark.usefixtures("production")

PARAMS = PhaseParams(
    rank=2,
    probes=ProbeParams(count=16),
    response=ResponseParams(kind="jvp"),
    random_directions=RandomDirectionParams(count=3),
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, np.ndarray]]:
    """Both tables of a tiny run, and by operation the centred gradients of its fixed batch at step 30."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / "checkpoints.h5", experiment())
    with RunCheckpoints.open(folder / "checkpoints.h5", Grokking(experiment()), CPU) as checkpoints:
        write_streams(folder / "gradients.h5", checkpoints, RowParams(gradient_batch=GradientBatchParams(size=20)))
        with MeasuredNetworks.open(folder / "gradients.h5", Grokking(experiment()), CPU) as networks:
            write_bases(folder / "bases.h5", networks.file, Grokking(experiment()), BasisParams(window=3, rank=2), CPU)
            with open_bases(folder / "bases.h5", Grokking(experiment())) as bases:
                tables = measure_single_steps(networks, bases, {"init": 0, "mid": 30}, PARAMS)
            batch = torch.from_numpy(networks.file["batch"][:])
        study, model = checkpoints.study, checkpoints.load(6).double().requires_grad_(True)
        rows = {}
        for task, op in enumerate(["add", "mul"]):
            rows[op] = np.stack(
                [
                    looped_gradient(
                        lambda pair=pair, op=op, task=task: F.cross_entropy(  # type: ignore[misc]
                            model(study.embedded(model, pair[None]))[task], answers([op], pair[None], 7)[0]
                        ),
                        model,
                        list(checkpoints.layout.names),
                    ).numpy()
                    for pair in batch
                ]
            )
    return pd.DataFrame(tables[0]), pd.DataFrame(tables[1]), rows


@pytest.mark.slow
def test_every_estimator_is_measured_and_a_window_that_is_not_whole_is_left_out(measured: tuple) -> None:  # type: ignore[type-arg]
    table = measured[0]
    found = {phase: set(rows["estimator"]) for phase, rows in table.groupby("phase")}
    alone = {"per-example", "lanczos", "mean-gradient"}
    assert found == {"init": alone, "mid": alone | {"window"}}
    assert table.groupby("phase")["step"].first().to_dict() == {"init": 0, "mid": 30}
    assert table[table["estimator"] == "mean-gradient"]["direction"].eq(1).all()


def test_angles_are_those_of_a_dense_svd(measured: tuple) -> None:  # type: ignore[type-arg]
    _, angles, rows = measured
    for op in ("add", "mul"):
        mean = rows[op].mean(0)
        _, _, right = np.linalg.svd(rows[op] - mean, full_matrices=False)
        cosine = principal_cosines(right[:2], mean[None])[0]
        found = angles[(angles["op"] == op) & (angles["step"] == 30)]
        to_mean = found[found["second"] == "mean-gradient"]
        np.testing.assert_allclose(to_mean["angle"], np.degrees(np.arccos(cosine)), atol=0.1)
        np.testing.assert_allclose(to_mean["first_cosine"], abs(right[0] @ mean) / np.linalg.norm(mean), atol=2e-3)


def test_lanczos_agrees_with_the_matrix(measured: tuple) -> None:  # type: ignore[type-arg]
    table, angles, _ = measured
    assert angles.loc[angles["second"] == "lanczos", "angle"].max() < 0.1
    mean = table.groupby(["step", "op", "estimator"])["ratio"].mean().unstack()  # noqa: PD010
    np.testing.assert_allclose(mean["lanczos"], mean["per-example"], rtol=1e-3)
