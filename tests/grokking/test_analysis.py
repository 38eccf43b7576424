"""From checkpoints to coupling ratios on a tiny run: each file against a slow restatement."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sedlib.base.hdf5.store import ArtifactError
from sedlib.base.randomness import generator
from sedlib.grokking.setup.pairs import all_pairs, answers
from sedlib.grokking.study import Grokking
from sedlib.pipeline.centroids.centroid_file import centroids_schema, write_centroids
from sedlib.pipeline.centroids.probing import probes_of
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.centroid_params import CentroidParams, ProbeParams
from sedlib.pipeline.parameters.coupling_params import CouplingParams, RandomDirectionParams, ResponseParams
from sedlib.pipeline.parameters.row_params import GradientBatchParams, RowParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.bases_file import open_bases, read_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.fixed_choices import measured_checkpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import LADDER, open_gradients, read_streams
from sedlib.sampling import random_directions
from sedlib.scores import full_scores, logit_scores
from sedlib.selftest.oracles import dense_svd_basis, looped_centroids, looped_gradient
from tests.altered import altered, put
from tests.grokking.test_training import CPU, experiment, write

pytestmark = pytest.mark.usefixtures("production")

ROWS = RowParams(gradient_batch=GradientBatchParams(size=20), measured_checkpoints="all")
WINDOWS = BasisParams(window=3, rank=2)
COUPLING = CouplingParams(probes=ProbeParams(count=16), random_directions=RandomDirectionParams(count=3))


def coupling_table(
    networks: MeasuredNetworks, bases: h5py.File, params: CouplingParams = COUPLING, ladder_probes: int | None = None
) -> pd.DataFrame:
    """The coupling stage's table, every checkpoint measured."""
    streams = [(stream, read_bases(bases, stream)) for stream in read_streams(networks.file, networks.study)]
    return pd.DataFrame(measure_coupling(networks, streams, params, ladder_probes=ladder_probes))


STREAMS = ["update", "gradient/add", "gradient/mul", "gradient/total", *(f"ladder/{rung}" for rung in LADDER)]
LEADING_THERE = {"update", *(f"ladder/{rung}" for rung in LADDER if rung != "minibatch-gradient")}
"""Streams whose rows belong to the checkpoint that a step led to: none led to the first."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints and gradients of a run of two operations, nine checkpoints."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / "checkpoints.h5", experiment())
    with RunCheckpoints.open(folder / "checkpoints.h5", Grokking(experiment()), CPU) as checkpoints:
        write_streams(folder / "gradients.h5", checkpoints, ROWS)
    return folder


def test_gradient_rows_are_gradients_of_each_operation_alone(checkpoints: RunCheckpoints, gradients: h5py.File) -> None:
    batch, study = torch.from_numpy(gradients["batch"][:]), checkpoints.study
    assert len({tuple(pair) for pair in batch.tolist()}) == 20
    for index in (0, 4, 8):
        model = checkpoints.load(index).requires_grad_(True)
        for task, op in enumerate(["add", "mul"]):
            target = answers([op], batch, 7)[0]

            def loss(model: nn.Module = model, task: int = task, target: torch.Tensor = target) -> torch.Tensor:
                return F.cross_entropy(model(study.embedded(model, batch))[task], target)

            expected = looped_gradient(loss, model, list(checkpoints.layout.names))
            np.testing.assert_allclose(gradients[f"gradient/{op}"][index], expected, rtol=1e-4, atol=1e-7)
        total = gradients["gradient/add"][index] + gradients["gradient/mul"][index]
        np.testing.assert_allclose(gradients["gradient/total"][index], total, rtol=1e-6, atol=1e-9)


def test_update_rows_are_differences_of_checkpoints(checkpoints: RunCheckpoints, gradients: h5py.File) -> None:
    thetas = [checkpoints.layout.flatten(checkpoints.load(index).state_dict()).clone() for index in range(9)]
    assert gradients["update"].shape == (8, checkpoints.layout.size)
    for row in range(8):
        np.testing.assert_array_equal(gradients["update"][row], thetas[row + 1] - thetas[row])


@pytest.mark.parametrize("pairs", ["train", "test"])
def test_the_gradient_batch_can_be_drawn_from_one_split(
    checkpoints: RunCheckpoints, tmp_path: Path, pairs: str
) -> None:
    batch_params = GradientBatchParams(size=15, pairs=pairs)  # type: ignore[arg-type]
    write_streams(tmp_path / "g.h5", checkpoints, ROWS.model_copy(update={"gradient_batch": batch_params}))
    with open_gradients(tmp_path / "g.h5", Grokking(experiment())) as file:
        batch = {tuple(pair) for pair in file["batch"][:].tolist()}
    assert batch <= {tuple(pair) for pair in checkpoints.file[f"split/{pairs}"][:].tolist()}


@pytest.mark.parametrize(("alignment", "shift"), [("trailing", 2), ("forward", 0)])
def test_bases_belong_to_the_right_checkpoints(
    gradients: h5py.File, tmp_path: Path, alignment: str, shift: int
) -> None:
    params = WINDOWS.model_copy(update={"alignment": alignment})
    spectra = pd.DataFrame(write_bases(tmp_path / "bases.h5", gradients, Grokking(experiment()), params, CPU))
    with open_bases(tmp_path / "bases.h5", Grokking(experiment())) as bases:
        for stream in read_streams(gradients, Grokking(experiment())):
            group = bases[f"streams/{stream.name}/window-3"]
            used_at = group["checkpoint"][:].tolist()
            assert used_at == [stream.first_checkpoint + shift + i for i in range(stream.rows.shape[0] - 2)]
            for index, end in enumerate(group["window_end"][:].tolist()):
                expected, singular_values = dense_svd_basis(stream.rows[:, :], end, 3, 2)
                found = group["coefficients"][index] @ stream.rows[end - 2 : end + 1, :]
                np.testing.assert_allclose(np.abs((found * expected).sum(1)), 1, atol=1e-4)
                np.testing.assert_allclose(group["singular_values"][index], singular_values, rtol=1e-4)
            assert bases[f"streams/{stream.name}/window-1/coefficients"].shape == (stream.rows.shape[0], 1, 1)
            steps = spectra.loc[spectra["stream"] == stream.name, "step"].tolist()
            assert steps == [5 * checkpoint for checkpoint in used_at]
    assert spectra["overlap_with_next"].dropna().between(0, 1 + 1e-6).all()


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("update", slice(0, 5), "axis 'intervals' of length 8 in 'ladder/momentum' but 5 in 'update'"),
        ("gradient/mul", None, "no dataset 'gradient/mul'"),
    ],
)
def test_gradients_that_do_not_fit_their_run_are_refused(
    folder: Path, tmp_path: Path, name: str, rows: slice | None, message: str
) -> None:
    path = tmp_path / "both-1.h5"
    shutil.copy(folder / "gradients.h5", path)
    with altered(path) as file:
        put(file, name, file[name][rows] if rows else None)
    with pytest.raises(ArtifactError, match=message), open_gradients(path, Grokking(experiment())):
        pass


def test_the_gradients_file_holds_the_networks_at_the_measured_checkpoints(
    checkpoints: RunCheckpoints, tmp_path: Path
) -> None:
    write_streams(tmp_path / "both-1.h5", checkpoints, ROWS.model_copy(update={"measured_checkpoints": 4}))
    with MeasuredNetworks.open(tmp_path / "both-1.h5", Grokking(experiment()), CPU) as networks:
        assert networks.measured == [0, 3, 5, 8]
        assert networks.steps == checkpoints.steps
        assert networks.study == checkpoints.study
        np.testing.assert_array_equal(networks.file["split/train"][:], checkpoints.file["split/train"][:])
        for index in networks.measured:
            expected, found = checkpoints.load(index).state_dict(), networks.load(index).state_dict()
            assert all(torch.equal(found[name], value) for name, value in expected.items())
        with pytest.raises(ValueError, match="1 is not in list"):
            networks.load(1)


def test_networks_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "both-1.h5"
    shutil.copy(folder / "gradients.h5", path)
    with altered(path) as file:
        put(file, "state/token", np.zeros((9, 3, 8), np.float32))
    with (
        pytest.raises(ArtifactError, match=r"dataset 'state/token' of shape \(9, 3, 8\), not \[measured, 7, 8\]"),
        MeasuredNetworks.open(path, Grokking(experiment()), CPU),
    ):
        pass


def test_a_response_lost_in_rounding_is_refused(
    networks: MeasuredNetworks, gradients: h5py.File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bases(tmp_path / "bases.h5", gradients, Grokking(experiment()), WINDOWS, CPU)
    monkeypatch.setattr(
        "sedlib.pipeline.coupling.checkpoint_responses.central_difference", lambda *_: lambda _: torch.zeros(2)
    )
    with (
        open_bases(tmp_path / "bases.h5", Grokking(experiment())) as bases,
        pytest.raises(ParamsError, match=r"step 0: the median random response .* choose a larger"),
    ):
        coupling_table(networks, bases)


def test_a_window_longer_than_the_run_is_refused(gradients: h5py.File, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"stream update: a window of 9 rows is longer than the stream of 8"):
        write_bases(tmp_path / "bases.h5", gradients, Grokking(experiment()), BasisParams(window=9, rank=2), CPU)
    assert not (tmp_path / "bases.h5").exists()


@pytest.mark.parametrize(
    ("n", "count", "expected"),
    [(9, 4, [0, 3, 5, 8]), (9, "all", list(range(9))), (3, 40, [0, 1, 2]), (138, 2, [0, 137])],
)
def test_measured_checkpoints_are_evenly_spaced(n: int, count: int, expected: list[int]) -> None:
    assert measured_checkpoints(n, count) == expected


def test_probes_are_drawn_from_all_pairs_by_their_own_seed(networks: MeasuredNetworks) -> None:
    probes = probes_of(networks.study, ProbeParams(count=16, seed=3), CPU)
    pairs = all_pairs(["add", "mul"], 7)
    assert torch.equal(probes.inputs, pairs[torch.randperm(36, generator=generator(3, "probes"))[:16]])
    assert torch.equal(probes.targets, answers(["add", "mul"], probes.inputs, 7))


def test_a_definition_of_the_centroid_that_the_study_lacks_is_refused(
    networks: MeasuredNetworks, tmp_path: Path
) -> None:
    message = "centroid = 'mean' is not one of this study's: logit, full"
    with pytest.raises(ParamsError, match=message):
        write_centroids(tmp_path / "centroids.h5", networks, CentroidParams(centroid="mean"))
    assert not (tmp_path / "centroids.h5").exists()
    with pytest.raises(ParamsError, match=message):
        list(measure_coupling(networks, [], COUPLING.model_copy(update={"centroid": "mean"})))


@pytest.mark.parametrize("kind", ["logit", "full"])
def test_centroids_are_gradients_of_the_scores(networks: MeasuredNetworks, tmp_path: Path, kind: str) -> None:
    params = CentroidParams(probes=ProbeParams(count=16), centroid=kind)
    table = pd.DataFrame(write_centroids(tmp_path / "centroids.h5", networks, params))
    with centroids_schema(Grokking(experiment()), 16).open(tmp_path / "centroids.h5") as file:
        assert file["steps"][:].tolist() == [5 * index for index in range(9)]
        pairs = torch.from_numpy(file["probes"][:])
        model = networks.load(5)
        targets = answers(["add", "mul"], pairs, 7)
        logits = torch.stack(
            [
                looped_centroids(
                    lambda h, x=x: (
                        full_scores(model(h))  # type: ignore[misc]
                        if kind == "full"
                        else logit_scores(model(h), targets[:, x : x + 1])
                    ),
                    networks.study.embedded(model, pairs[x : x + 1]),
                )[:, 0]
                for x in range(16)
            ],
            dim=1,
        )
        for task, op in enumerate(["add", "mul"]):
            np.testing.assert_allclose(file[f"centroids/{op}"][5], logits[task].detach(), rtol=1e-3, atol=1e-5)
    assert len(table) == 9 * 2 * 2  # steps, operations, definitions


@pytest.mark.parametrize(("kind", "ladder_probes"), [("difference", 5), ("jvp", None)])
def test_coupling_ratios_equal_a_slow_restatement(
    networks: MeasuredNetworks, gradients: h5py.File, tmp_path: Path, kind: str, ladder_probes: int | None
) -> None:
    write_bases(tmp_path / "bases.h5", gradients, Grokking(experiment()), WINDOWS, CPU)
    with open_bases(tmp_path / "bases.h5", Grokking(experiment())) as bases:
        response = ResponseParams(kind=kind, epsilon=0.002)  # type: ignore[arg-type]
        table = coupling_table(networks, bases, COUPLING.model_copy(update={"response": response}), ladder_probes)
    model = networks.load(6).double()
    layout = networks.layout
    probes = probes_of(networks.study, COUPLING.probes, CPU)
    theta = layout.flatten(model.state_dict()).clone()

    def centroids_at(vector: torch.Tensor) -> torch.Tensor:
        model.load_state_dict({**model.state_dict(), **layout.unflatten(vector)})
        h = networks.study.embedded(model, probes.inputs).detach().requires_grad_()
        all_scores = logit_scores(model(h), probes.targets)
        return torch.stack(
            [torch.autograd.grad(scores.sum(), h, retain_graph=True)[0].flatten(1) for scores in all_scores]
        )

    def response_to(direction: np.ndarray, probes: int | None) -> torch.Tensor:
        step = 1e-4 * theta.norm()
        vector = torch.from_numpy(direction).double()
        quotient = (centroids_at(theta + step * vector) - centroids_at(theta - step * vector)) / (2 * step)
        return quotient[:, :probes].square().sum(-1).mean(-1)

    random = random_directions(3, layout.size, generator(0, "random directions"))
    baselines = {
        count: torch.stack([response_to(r.numpy(), count) for r in random]).quantile(0.5, dim=0)
        for count in {None, ladder_probes}
    }
    at_six = table[table["step"] == 30]
    assert set(at_six["stream"]) == set(STREAMS)
    for stream in read_streams(gradients, Grokking(experiment())):
        expected, _ = dense_svd_basis(stream.rows[:, :], 6 - stream.first_checkpoint, 3, 2)
        on = ladder_probes if stream.name.startswith("ladder") else None
        for task, op in enumerate(["add", "mul"]):
            found = at_six[(at_six["stream"] == stream.name) & (at_six["window"] == 3) & (at_six["op"] == op)]
            if stream.task not in (None, op):
                assert found.empty
                continue
            ratios = [float(response_to(direction, on)[task] / baselines[on][task]) for direction in expected]
            np.testing.assert_allclose(found["ratio"], ratios, rtol=0.02)
            assert found["direction"].tolist() == [1, 2]


def test_only_whole_windows_are_measured(networks: MeasuredNetworks, gradients: h5py.File, tmp_path: Path) -> None:
    write_bases(tmp_path / "bases.h5", gradients, Grokking(experiment()), WINDOWS, CPU)
    with open_bases(tmp_path / "bases.h5", Grokking(experiment())) as bases:
        table = coupling_table(networks, bases)
    first = table.groupby(["stream", "window"])["step"].min()
    assert first.to_dict() == {
        (stream, window): 5 * ((window - 1) + (stream in LEADING_THERE)) for stream in STREAMS for window in (1, 3)
    }
    assert (table["n_random"] == 3).all()
    np.testing.assert_allclose(table["ratio"], table["response"] / table["baseline_median"], rtol=1e-5)
