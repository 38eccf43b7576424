"""Each stage on a tiny run with one number that is none, or has no direction: a message with its step, no traceback."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sedlib.base.errors import UserError
from sedlib.coupling import Baseline
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.execution import constraining
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.interventions.projected_steps import projecting
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.readouts.frequencies import centroid_frequencies, restricted_losses
from sedlib.grokking.setup.pairs import all_pairs, answers, split_pairs
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.centroids.centroid_file import write_centroids
from sedlib.pipeline.coupling.measurement import measure_coupling, measured_baselines
from sedlib.pipeline.coupling.single_checkpoints import measure_single_steps
from sedlib.pipeline.geometry.components import measure_trajectory
from sedlib.pipeline.geometry.defects import measure_curvature
from sedlib.pipeline.parameters.centroid_params import CentroidParams, ProbeParams
from sedlib.pipeline.parameters.geometry_params import CurvatureParams, WalkParams
from sedlib.pipeline.parameters.phase_params import PhaseParams
from sedlib.pipeline.rows import spectra
from sedlib.pipeline.rows.bases_file import open_bases, read_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import Stream, open_gradients, read_streams
from sedlib.vectors import ParamLayout
from tests.grokking.test_analysis import COUPLING, ROWS, WINDOWS, coupling_table
from tests.grokking.test_training import CPU, experiment, write

pytestmark = pytest.mark.usefixtures("production")

TINY = experiment(run={"checkpoint_every": 1, "max_steps": 12})
INTERVENED = ProjectionParams(window=4, rank=2)
Poison = Callable[[GrokkingTransformer], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints, gradients and bases of a run of two operations, every 5 steps."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / "checkpoints.h5", experiment())
    with RunCheckpoints.open(folder / "checkpoints.h5", Grokking(experiment()), CPU) as checkpoints:
        write_streams(folder / "gradients.h5", checkpoints, ROWS)
    with open_gradients(folder / "gradients.h5", Grokking(experiment())) as gradients:
        write_bases(folder / "bases.h5", gradients, Grokking(experiment()), WINDOWS, CPU)
    return folder


@pytest.fixture
def bases(folder: Path) -> Iterator[h5py.File]:
    with open_bases(folder / "bases.h5", Grokking(experiment())) as opened:
        yield opened


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, int, Poison], None]:
    """Changes the network that a file gives at one checkpoint."""

    def at(kind: type, index: int, poison: Poison) -> None:
        load = kind.load  # type: ignore[attr-defined]

        def changed(self: object, asked: int) -> nn.Module:
            network: GrokkingTransformer = load(self, asked)
            if asked == index:
                with torch.no_grad():
                    poison(network)
            return network

        monkeypatch.setattr(kind, "load", changed)

    return at


def without_attention(network: GrokkingTransformer) -> None:
    """No slot has any effect: attention is given zeros, and adds a bias."""
    for name, parameter in network.named_parameters():
        if "norm1" in name or "in_proj_bias" in name:
            parameter.zero_()


def overflowing(network: GrokkingTransformer) -> None:
    network.get_parameter("heads.1.weight").fill_(3e38)


def without_inputs(network: GrokkingTransformer) -> None:
    """All logits are the heads' biases."""
    network.encoder.norm.weight.zero_()


def linear_in_inputs(network: GrokkingTransformer) -> None:
    """Slots of length zero."""
    for parameter in ParamLayout.attention(network).of(network).values():
        parameter.zero_()


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (without_attention, "step 20, stream gradient/add: expected a row .* largest value is 0.0; .* gradient_batch"),
        (overflowing, "step 20: the loss of task 'mul' must be a finite scalar, got nan"),
    ],
)
def test_dump_names_step_and_stream(
    poisoned: Callable[..., None], checkpoints: RunCheckpoints, tmp_path: Path, poison: Poison, message: str
) -> None:
    poisoned(RunCheckpoints, 4, poison)
    with pytest.raises(UserError, match=message):
        write_streams(tmp_path / "gradients.h5", checkpoints, ROWS)
    assert not list(tmp_path.iterdir())


def test_dump_names_the_step_that_did_not_move(
    checkpoints: RunCheckpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = RunCheckpoints.load
    monkeypatch.setattr(RunCheckpoints, "load", lambda self, index: load(self, 3 if index == 4 else index))
    with pytest.raises(UserError, match=r"step 20, stream update: .* value is 0.0; .* larger checkpoint_every"):
        write_streams(tmp_path / "gradients.h5", checkpoints, ROWS)


def changing_rows(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[np.ndarray], None]
) -> Callable[..., Iterator[Stream]]:
    """Streams that the bases stage reads have other rows; gives what reads them."""

    def changed(*arguments: object) -> Iterator[Stream]:
        for stream in read_streams(*arguments):  # type: ignore[arg-type]
            rows = stream.rows[:, :]
            change(rows)
            yield replace(stream, rows=rows)

    monkeypatch.setattr(spectra, "read_streams", changed)
    return changed


def one_is_nan(rows: np.ndarray) -> None:
    rows[3] = np.nan


def all_are_equal(rows: np.ndarray) -> None:
    rows[:] = rows[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            all_are_equal,
            "stream update, window of 3 at steps 5 to 15: none of 6 windows determines a basis; rows 0 to 2 determine "
            "1 of rank = 2 directions",
        ),
        (one_is_nan, "stream update: rows: every value must be finite, got nan at row 3, column 0"),
    ],
)
def test_bases_name_stream_and_step(
    folder: Path,
    tmp_path: Path,
    change: Callable[[np.ndarray], None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changing_rows(monkeypatch, change)
    with (
        open_gradients(folder / "gradients.h5", Grokking(experiment())) as gradients,
        pytest.raises(UserError, match=message),
    ):
        write_bases(tmp_path / "bases.h5", gradients, Grokking(experiment()), WINDOWS, CPU)
    assert not list(tmp_path.iterdir())


def nearly_equal(rows: np.ndarray) -> None:
    """Rows 2 to 4 differ by 2e-7 of their size, which is their rounding."""
    rng = np.random.default_rng(0)
    rows[3:5] = rows[2] * (1 + 2e-7 * rng.standard_normal(rows[3:5].shape)).astype(np.float32)


def test_a_window_that_determines_no_basis_is_named_and_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = changing_rows(monkeypatch, nearly_equal)
    study = Grokking(experiment())
    with open_gradients(folder / "gradients.h5", study) as gradients:
        table = pd.DataFrame(write_bases(tmp_path / "bases.h5", gradients, study, WINDOWS, CPU))
    said = capsys.readouterr().err
    assert "stream update: 1 of 6 windows of 3 determine no basis and will have no coupling ratio; " in said
    assert "they end at steps 25\n  stream update, window of 3 at steps 15 to 25: rows 2 to 4 determine 1 of" in said
    update = table[table["stream"] == "update"].set_index("step")
    assert update["g23"].isna().to_dict() == {15: False, 20: True, 25: True, 30: True, 35: False, 40: False}
    assert update["overlap_with_next"].isna().tolist() == [False, True, True, False, False, True]
    with (
        open_bases(tmp_path / "bases.h5", study) as bases,
        MeasuredNetworks.open(folder / "gradients.h5", study, CPU) as networks,
    ):
        update_rows = next(changed(networks.file, study))
        streams = [(update_rows, read_bases(bases, update_rows))]
        coupling, steps = pd.DataFrame(measure_coupling(networks, streams, COUPLING)), networks.steps
    rows = coupling[(coupling["stream"] == "update") & (coupling["window"] == 3)]
    assert set(rows["step"]) == {15, 20, 30, 35, 40}
    assert list(measured_baselines(coupling, study.tasks)) == steps[1:]


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (without_inputs, "step 20, add, centroid logit: centroids: the 16 of them are all equal"),
        (overflowing, "step 20: scores: every value must be finite"),
    ],
)
def test_centroids_name_step_and_operation(
    poisoned: Callable[..., None], networks: MeasuredNetworks, tmp_path: Path, poison: Poison, message: str
) -> None:
    poisoned(MeasuredNetworks, 4, poison)
    with pytest.raises(UserError, match=message):
        write_centroids(tmp_path / "centroids.h5", networks, CentroidParams(probes=ProbeParams(count=16)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (without_inputs, r"step 5: the median random response must be positive .* got \[0.0, 0.0\]; choose a larger"),
        (linear_in_inputs, "step 5: the step ε‖θ‖ must be positive"),
        (overflowing, "step 5: scores: every value must be finite"),
    ],
)
def test_coupling_names_the_step(
    poisoned: Callable[..., None], networks: MeasuredNetworks, bases: h5py.File, poison: Poison, message: str
) -> None:
    poisoned(MeasuredNetworks, 1, poison)
    with pytest.raises(UserError, match=message):
        coupling_table(networks, bases)


def test_a_baseline_of_zero_in_a_table_is_named(networks: MeasuredNetworks, bases: h5py.File) -> None:
    update = next(read_streams(networks.file, networks.study))
    baselines = dict.fromkeys(networks.steps, Baseline(torch.zeros(2), torch.zeros(2), 3))
    with pytest.raises(UserError, match=r"step 5, stream update, window of 1: the median random response must be"):
        list(measure_coupling(networks, [(update, read_bases(bases, update))], COUPLING, baselines))


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (without_inputs, "step 20: the median random response"),
        (linear_in_inputs, "step 20: the step ε‖θ‖"),
        (without_attention, "step 20: the median random response|step 20, add: 20 centred gradients span fewer"),
    ],
)
def test_single_checkpoints_name_the_step(
    poisoned: Callable[..., None], networks: MeasuredNetworks, bases: h5py.File, poison: Poison, message: str
) -> None:
    poisoned(MeasuredNetworks, 4, poison)
    params = PhaseParams(rank=2, probes=COUPLING.probes, random_directions=COUPLING.random_directions)
    with pytest.raises(UserError, match=message):
        measure_single_steps(networks, bases, {"mid": 20}, params)


def test_geometry_names_the_matrix_and_the_step(checkpoints: RunCheckpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sedlib.pipeline.geometry.components.random_walk_null", lambda *_: torch.full((3,), 61.0).double()
    )
    with pytest.raises(UserError, match="layer 0 W_Q: a z-score needs at least two values that differ"):
        measure_trajectory(checkpoints, WalkParams(count=3))
    monkeypatch.setattr(
        "sedlib.pipeline.geometry.defects.batch_gradient", lambda *_: lambda theta, *_: torch.zeros_like(theta)
    )
    with pytest.raises(UserError, match="step 0: batch 0: the gradient is zero"):
        list(measure_curvature(checkpoints, CurvatureParams(every=10, draws=2, batch_size=8)))


def in_memory_centroids(probes: torch.Tensor, values: np.ndarray) -> h5py.File:
    file = h5py.File(io.BytesIO(), "w")
    file["steps"], file["probes"], file["centroids/mul"] = [0, 5], probes.numpy(), values.astype(np.float32)
    return file


def test_frequencies_name_a_probe_outside_the_operands_and_the_step_of_equal_centroids() -> None:
    probes = all_pairs(["mul"], 7)
    values = np.random.default_rng(0).standard_normal((2, len(probes), 5))
    list(centroid_frequencies(in_memory_centroids(probes, values), 7))
    values[1] = values[1, 0]
    with pytest.raises(UserError, match="step 5, mul: centroids: the 36 of them are all equal"):
        list(centroid_frequencies(in_memory_centroids(probes, values), 7))
    probes[3, 1] = 0
    with pytest.raises(UserError, match=r"probes of mul: pair \(1, 0\) is outside the operands of mul modulo 7, which"):
        list(centroid_frequencies(in_memory_centroids(probes, values), 7))


@pytest.mark.parametrize(("index", "step"), [(4, 20), (8, 40)])
@pytest.mark.parametrize(
    ("poison", "message"), [(without_inputs, "same for all pairs"), (overflowing, "logits: every")]
)
def test_restricted_losses_name_the_step(
    poisoned: Callable[..., None], networks: MeasuredNetworks, index: int, step: int, poison: Poison, message: str
) -> None:
    poisoned(MeasuredNetworks, index, poison)
    with pytest.raises(UserError, match=f"step {step}, .*{message}"):
        list(restricted_losses(networks, experiment().data))


def test_pairs_outside_the_domain_and_moduli_without_a_group_are_named() -> None:
    with pytest.raises(ValueError, match=r"pair \(2, 7\) is outside the operands of add modulo 7, which are 0 … 6"):
        answers(["add"], torch.tensor([[1, 2], [2, 7]]), 7)
    with pytest.raises(
        ValueError, match=r"pair \(0, 3\) is outside the operands of add, mul modulo 7, which are 1 … 6"
    ):
        answers(["add", "mul"], torch.tensor([[0, 3]]), 7)
    with pytest.raises(UserError, match=r"data.p = 9 is not prime, so that mul has no group"):
        all_pairs(["add", "mul"], 9)
    with pytest.raises(UserError, match=r"data.train_fraction = 0.001 leaves 0 of 49 pairs to train on"):
        split_pairs(["add"], 7, 0.001, 0)


class Scaled(Intervention):
    """Another intervention, which gets the target's gradient times zero or NaN from a step on."""

    def __init__(self, inner: Intervention, model: GrokkingTransformer, step: int, factor: float) -> None:
        self.before_optimizer = inner.before_optimizer  # type: ignore[method-assign]
        self.after_optimizer = inner.after_optimizer  # type: ignore[method-assign]
        self.read_out = inner.read_out  # type: ignore[method-assign]
        self._left = dict.fromkeys(ParamLayout.attention(model).names, step)
        for name in self._left:
            model.get_parameter(name).register_hook(lambda g, name=name: self._scaled(g, name, factor))

    def _scaled(self, gradient: torch.Tensor, name: str, factor: float) -> torch.Tensor:
        self._left[name] -= 1
        return gradient if self._left[name] > 0 else gradient * factor


@pytest.mark.parametrize("intervention", ["gradient-keep-sed", "gradient-remove-random", "gradient-freeze"])
@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (0.0, "step 6: no share of the target's step passed: the step has length 0"),
        (np.nan, "step 6 of the training: not finite: gradient of 'encoder.layers.0.self_attn.in_proj_weight'"),
    ],
)
def test_an_intervention_names_cell_and_step(intervention: str, factor: float, message: str) -> None:
    cell = Cell.of("both-1", intervention)

    def intervene(model: GrokkingTransformer, data: Data) -> Intervention:
        return Scaled(projecting(cell, INTERVENED, TINY.run.seed)(model, data), model, 6, factor)

    with pytest.raises(UserError, match=f"^both-1-{intervention}[:,] {message}"):
        trajectory(cell, TINY, CPU, intervene)


def test_updates_that_vanish_are_named() -> None:
    still = experiment(run={"checkpoint_every": 1, "max_steps": 12}, optimizer={"lr": 1e-30})
    cell = Cell.of("both-1", "update-keep-sed")
    with pytest.raises(UserError, match=r"^both-1-update-keep-sed, step 1: no share of the target's step passed"):
        trajectory(cell, still, CPU, projecting(cell, INTERVENED, still.run.seed))


def test_a_kick_without_direction_is_named() -> None:
    everything = torch.eye(ParamLayout.select(build_model(TINY), "*").size)
    cell = Cell.of("both-1", "kick", size=1.0, start=5)
    intervene = constraining(cell, TINY, INTERVENED, CurvatureParams(), everything)
    with pytest.raises(UserError, match=r"^both-1-kick.*, step 5: a kick has no direction: .* outside the execution"):
        trajectory(cell, TINY, CPU, intervene)


def test_a_mean_gradient_of_zero_is_named(
    networks: MeasuredNetworks, bases: h5py.File, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.randn(10, networks.layout.size, generator=torch.Generator().manual_seed(0))
    opposite = lambda *_: torch.stack([rows, -rows], dim=1).flatten(0, 1)  # noqa: E731
    monkeypatch.setattr("sedlib.pipeline.coupling.single_checkpoints.per_example_gradients", opposite)
    params = PhaseParams(rank=2, probes=COUPLING.probes, random_directions=COUPLING.random_directions)
    with pytest.raises(UserError, match="step 20, add: the mean gradient of the batch is zero"):
        measure_single_steps(networks, bases, {"mid": 20}, params)
