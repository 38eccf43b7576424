"""The whole pipeline, by real DVC, on a study of another kind: a perceptron on vectors, with a regression."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from sedlib.base.hdf5.store import ArtifactError
from sedlib.base.randomness import generator
from sedlib.grokking.study import Grokking
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.study import load_study
from sedlib.pipeline.workspace import Workspace
from sedlib.sampling import random_directions
from sedlib.selftest.oracles import dense_svd_basis
from tests.clone import Clone, copied
from tests.grokking.test_training import experiment
from tests.imports import ROOT
from tests.other_study.network import Perceptron
from tests.other_study.study import Perceptrons

pytestmark = pytest.mark.slow

RUN = "vectors-1"
NAMES = ["train", "dump", "bases", "centroids", "coupling", "figures", "single_step", "trajectory", "curvature"]
CELLS = ["ablate@vectors-1-window", "ablate@vectors-1-response", "ablate_batch@vectors-1-batch_seed"]
STAGES = ["code", *(f"{name}@{RUN}" for name in NAMES), *CELLS]
SLOTS = ["hidden.0.weight", "hidden.2.weight"]


def workspace(folder: Path) -> Clone:
    """A clone whose study is the other one."""
    clone = copied(folder)
    for papers in folder.rglob("dvc.yaml"):
        papers.unlink()
    for file, name in (("pipeline.yaml", "dvc.yaml"), ("params.yaml", "params.yaml")):
        shutil.copy(ROOT / "tests/other_study" / file, folder / name)
    (folder / "study.py").write_text("from tests.other_study.study import Perceptrons as Study\n")
    return clone


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = workspace(tmp_path_factory.mktemp("other") / "sedlib")
    assert sorted(clone.repro()) == sorted(STAGES)
    assert clone.repro() == []
    return clone


@pytest.fixture
def changed(finished: Clone, tmp_path: Path) -> Clone:
    """A copy of the finished workspace, to change."""
    shutil.copytree(finished.folder, tmp_path / "sedlib", symlinks=True)
    return Clone(tmp_path / "sedlib")


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def table(clone: Clone, name: str) -> pd.DataFrame:
    return pd.read_csv(clone.folder / f"artifacts/results/{RUN}/{name}.csv")


def test_there_is_no_ladder_where_the_optimizer_leaves_no_moments(finished: Clone) -> None:
    with h5py.File(finished.folder / f"artifacts/checkpoints/{RUN}.h5") as file:
        assert set(file) == {"split", "state", "steps"}
    with h5py.File(finished.folder / f"artifacts/gradients/{RUN}.h5") as file:
        assert set(file) == {"batch", "gradient", "measured", "split", "state", "steps", "update"}
        assert set(file["gradient"]) == {"class", "value", "total"}
        assert file["batch"].shape == (20, 4)
    assert set(table(finished, "coupling")["stream"]) == {
        "gradient/class",
        "gradient/value",
        "gradient/total",
        "update",
    }


def test_figures_are_drawn_of_what_there_is(finished: Clone) -> None:
    drawn = {path.name for path in (finished.folder / f"artifacts/results/{RUN}/figures").iterdir()}
    assert drawn == {"coupling.svg", "rank90.svg", "gaps.svg"}
    assert "score centroid" in (finished.folder / f"artifacts/results/{RUN}/figures/rank90.svg").read_text()


def test_the_summary_names_the_tasks_and_says_why_there_is_no_grok_step(finished: Clone) -> None:
    text = finished.call("sedlib", "summary", RUN).stdout
    assert "class: the study measures no test accuracy, trained to step 40" in text
    assert "gradient/value W=4" in text
    assert (finished.folder / text.splitlines()[-1].removeprefix("figure: ")).exists()


def test_phases_are_the_first_the_middle_and_the_last_measured_checkpoint(finished: Clone) -> None:
    single = table(finished, "single_step")
    assert dict(zip(single["phase"], single["step"], strict=True)) == {"init": 0, "mid": 20, "end": 40}
    assert set(single["op"]) == {"class", "value"}
    assert set(single["centroid"]) == {"score"}
    lanczos, dense = (single[single["estimator"] == name]["ratio"] for name in ("lanczos", "per-example"))
    np.testing.assert_allclose(lanczos, dense, rtol=1e-3)


def test_each_slot_is_a_matrix_of_the_trajectory(finished: Clone) -> None:
    assert list(table(finished, "trajectory")["matrix"]) == SLOTS
    assert (table(finished, "curvature")["defect"] > 0).all()


def test_ablations_hold_the_values_of_their_axis(finished: Clone) -> None:
    for axis, values in {"window": [1, 4, 5], "response": ["difference", "jvp"], "batch_seed": [0, 1]}.items():
        found = table(finished, f"ablation/{axis}")
        assert list(found["value"].unique()) == values
        assert set(found["op"]) == {"class", "value"}
    difference, exact = (rows["ratio"] for _, rows in table(finished, "ablation/response").groupby("value"))
    np.testing.assert_allclose(difference, exact, rtol=0.02)


@pytest.fixture(scope="module")
def at_step_30(finished: Clone) -> tuple[Perceptron, np.ndarray, Tensor, Tensor]:
    """The network in float64, all its updates until then, the fixed batch and the probes, from the files alone."""
    network = Perceptron()
    with h5py.File(finished.folder / f"artifacts/checkpoints/{RUN}.h5") as file:
        last = file["steps"][:].tolist().index(30)
        network.load_state_dict({name: torch.from_numpy(values[last]) for name, values in file["state"].items()})
        rows = [np.concatenate([file[f"state/{name}"][step].ravel() for name in SLOTS]) for step in range(last + 1)]
    with h5py.File(finished.folder / f"artifacts/gradients/{RUN}.h5") as gradients:
        batch = torch.from_numpy(gradients["batch"][:])
    with h5py.File(finished.folder / f"artifacts/centroids/{RUN}.h5") as centroids:
        probes = torch.from_numpy(centroids["probes"][:])
    return network.double(), np.diff(rows, axis=0), batch.double(), probes.double()


def answers(inputs: Tensor) -> tuple[Tensor, Tensor]:
    return inputs[:, :3].argmax(1), inputs[:, 0].sin() * inputs[:, 3]


def looped_response(network: Perceptron, probes: Tensor, direction: Tensor, task: int) -> float:
    """Mean over the probes of the squared speed of a centroid, by a tiny central difference of its autograd."""
    (labels, _), step = answers(probes), 1e-5

    def centroid(probe: int, distance: float) -> Tensor:
        start = torch.cat([dict(network.named_parameters())[name].detach().flatten() for name in SLOTS])
        moved(network, start + distance * direction)
        h = network.embed(probes[probe : probe + 1]).detach().requires_grad_()
        logits, value = network(h)
        (found,) = torch.autograd.grad(logits[0, labels[probe]] if task == 0 else value[0], h)
        moved(network, start)
        return found[0]

    changes = [(centroid(probe, step) - centroid(probe, -step)) / (2 * step) for probe in range(len(probes))]
    return float(sum(change.square().sum() for change in changes) / len(probes))


def moved(network: Perceptron, vector: Tensor) -> None:
    parameters, start = dict(network.named_parameters()), 0
    for name in SLOTS:
        count = parameters[name].numel()
        parameters[name].data = vector[start : start + count].view_as(parameters[name])
        start += count


def looped_loss_gradient(network: Perceptron, batch: Tensor, task: int) -> Tensor:
    logits, value = network(network.embed(batch))
    labels, wanted = answers(batch)
    loss = cross_entropy(logits, labels) if task == 0 else mse_loss(value, wanted)
    found = torch.autograd.grad(loss, [dict(network.named_parameters())[name] for name in SLOTS])
    return torch.cat([gradient.flatten() for gradient in found])


@pytest.mark.parametrize(("task", "name"), list(enumerate(["class", "value"])))
@pytest.mark.parametrize(("stream", "window"), [("gradient", 1), ("update", 4)])
def test_coupling_ratios_are_those_of_a_slow_restatement(
    finished: Clone,
    at_step_30: tuple[Perceptron, np.ndarray, Tensor, Tensor],
    task: int,
    name: str,
    stream: str,
    window: int,
) -> None:
    network, updates, batch, probes = at_step_30
    if stream == "gradient":
        gradient = looped_loss_gradient(network, batch, task)
        stream, basis = f"gradient/{name}", (gradient / gradient.norm())[None]
    else:
        basis = torch.from_numpy(dense_svd_basis(updates, len(updates) - 1, window, 2)[0].copy())
    random = torch.stack(random_directions(5, basis.shape[1], generator(0, "random directions"))[:]).double()
    baseline = np.median([looped_response(network, probes, direction, task) for direction in random])
    expected = [looped_response(network, probes, direction, task) / baseline for direction in basis]
    coupling = table(finished, "coupling")
    chosen = (coupling["op"] == name) & (coupling["stream"] == stream) & (coupling["window"] == window)
    found = coupling[chosen & (coupling["step"] == 30)]
    np.testing.assert_allclose(found["ratio"], expected, rtol=1e-3)
    assert (np.isfinite(coupling["ratio"]) & (coupling["ratio"] > 0)).all()


@pytest.mark.long
def test_another_window_runs_the_analysis_alone(changed: Clone) -> None:
    replaced(changed.folder / "params.yaml", "window: 4\n", "window: 5\n")
    runs = [f"{name}@{RUN}" for name in ("bases", "coupling", "figures", "single_step")]
    assert sorted(changed.repro()) == sorted([*runs, *CELLS])


@pytest.mark.long
def test_every_stage_writes_the_same_bytes_again(changed: Clone) -> None:
    before = (changed.folder / "dvc.lock").read_text()
    assert sorted(changed.repro("--force")) == sorted(STAGES)
    assert (changed.folder / "dvc.lock").read_text() == before


def test_a_definition_that_the_study_lacks_is_refused_with_those_it_has(changed: Clone) -> None:
    replaced(changed.folder / "params.yaml", "centroid: score", "centroid: logit")
    for stage in (f"centroids@{RUN}", f"coupling@{RUN}"):
        done = changed.call("dvc", "repro", "--single-item", stage)
        assert done.returncode != 0
        assert "error: centroid = 'logit' is not one of this study's: score" in done.stderr
        assert "Traceback" not in done.stderr


class Narrower(Perceptron):
    def __init__(self) -> None:
        super().__init__()
        self.hidden[0], self.hidden[2] = nn.Linear(6, 7), nn.Linear(7, 8)


class Renamed(Perceptron):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        del self.embed


class Shorter(Perceptron):
    def __init__(self) -> None:
        super().__init__()
        del self.hidden[2:]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Narrower, r"layout '\{.*\[8, 6\].*', not '\{.*\[7, 6\]"),
        (Renamed, "no dataset 'state/first.weight'"),
        (Shorter, "layout '.*hidden.2.weight.*', not '"),
    ],
)
def test_a_network_that_is_not_the_file_s_is_refused_by_name(
    finished: Clone, monkeypatch: pytest.MonkeyPatch, network: type[Perceptron], message: str
) -> None:
    monkeypatch.chdir(finished.folder)
    monkeypatch.setattr(Perceptrons, "network", lambda _: network())
    for kind, of in (("checkpoints", RunCheckpoints), ("gradients", MeasuredNetworks)):
        path = Path(f"artifacts/{kind}/{RUN}.h5")
        expected = f"{re.escape(str(path))}: expected a {kind}/. artifact, found {message}"
        with pytest.raises(ArtifactError, match=expected), of.open(path, Perceptrons.of_run(RUN), torch.device("cpu")):
            pass


def test_another_study_s_files_are_refused(finished: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.folder)
    paths, cpu = Workspace(RUN), torch.device("cpu")
    with RunCheckpoints.open(paths.checkpoints, load_study().of_run(RUN), cpu) as checkpoints:
        assert checkpoints.study == Perceptrons.of_run(RUN)
    with (
        pytest.raises(ArtifactError, match=r"run '\{.*, not '\{"),
        RunCheckpoints.open(paths.checkpoints, Grokking(experiment()), cpu),
    ):
        pass


def test_a_study_may_be_written_in_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["from __future__ import annotations", "from dataclasses import dataclass", "@dataclass", "class Study:"]
    (tmp_path / "study.py").write_text("\n".join([*lines, "    seed: int"]))
    monkeypatch.chdir(tmp_path)
    assert load_study().__name__ == "Study"
