"""The usual script that benchmarks time against computes the same as the package; what is timed is what it says."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import cases, coupling_cases, plain, report, stage_start, threads
from benchmarks.stacked import StackedTraining
from sedlib.base.randomness import generator
from sedlib.bases import directions, rolling_bases
from sedlib.coupling import central_difference
from sedlib.gradients import task_gradients
from sedlib.grokking.network.evaluation import Data, evaluate
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention, TrainingStep
from sedlib.models.checkpoint import Checkpoint
from sedlib.pipeline.centroids.probing import centroid_function
from sedlib.pipeline.coupling.checkpoint_responses import CheckpointResponses
from sedlib.pipeline.study import Examples
from sedlib.products import gram, gram_band
from sedlib.sampling import random_directions
from sedlib.trajectory import pc1_percent
from sedlib.vectors import ParamLayout
from tests.tiny import TINY

SECTIONS = {name: TINY[name] for name in ("model", "data", "optimizer", "stopping")}
EXPERIMENT = Experiment.model_validate({"run": TINY["runs"]["both-1"], **SECTIONS})
DATA = Data.of(EXPERIMENT, torch.device("cpu"))
Networks = tuple[plain.PlainTraining, GrokkingTransformer]


@pytest.fixture
def networks() -> Networks:
    """The plain one with the weights of ours."""
    training, model = plain.PlainTraining(EXPERIMENT, DATA), build_model(EXPERIMENT)
    state = {"token.weight" if name == "token" else name: value for name, value in model.state_dict().items()}
    training.network.load_state_dict(state)
    return training, model


def test_steps(networks: Networks) -> None:
    training, model = networks
    step = TrainingStep(model, DATA, EXPERIMENT, Intervention())
    batches = generator(0, "test")
    for _ in range(3):
        batch = torch.randint(len(DATA.train_pairs), (EXPERIMENT.optimizer.batch_size,), generator=batches)
        training.step(batch)
        step(batch)
    theirs = torch.stack(training.network(training.network.embed(DATA.test_pairs)))  # parameters of no effect differ
    torch.testing.assert_close(model.logits(DATA.test_pairs), theirs, rtol=1e-3, atol=1e-4)


def test_networks_that_are_trained_at_once_are_those_that_are_trained_alone() -> None:
    experiments = [
        Experiment.model_validate({"run": TINY["runs"]["both-1"] | {"seed": seed}, **SECTIONS}) for seed in (1, 2)
    ]
    stacked = StackedTraining(experiments, torch.device("cpu"), block=2)
    for _ in range(5):
        stacked()
    pairs = DATA.test_pairs
    logits = stacked.logits(pairs.expand(len(experiments), *pairs.shape))
    for number, experiment in enumerate(experiments):
        data, model = Data.of(experiment, torch.device("cpu")), build_model(experiment)
        step = TrainingStep(model, data, experiment, Intervention())
        batches = generator(experiment.run.seed, "batches")
        for _ in range(5):
            step(torch.randint(len(data.train_pairs), (experiment.optimizer.batch_size,), generator=batches))
        torch.testing.assert_close(logits[number], model.logits(pairs), rtol=1e-3, atol=1e-4)


def test_evaluation(networks: Networks) -> None:
    training, model = networks
    found = evaluate(model, DATA, EXPERIMENT.run.ops)
    train_accuracy, train_loss, test_accuracy, test_loss = training.evaluate()
    assert train_accuracy == pytest.approx(sum(readout.train_accuracy for readout in found))
    assert test_accuracy == pytest.approx(sum(readout.test_accuracy for readout in found))
    assert train_loss == pytest.approx(sum(readout.train_loss for readout in found), rel=1e-4)
    assert test_loss == pytest.approx(sum(readout.test_loss for readout in found), rel=1e-4)


def test_gradients(networks: Networks) -> None:
    training, model = networks

    def losses(model: GrokkingTransformer) -> dict[str, torch.Tensor]:
        return dict(zip("ab", task_losses(model, DATA.train_pairs, DATA.train_answers), strict=True))

    ours = task_gradients(losses, model, ParamLayout.attention(model))
    for mine, theirs in zip(
        ours.values(), plain.gradients(training.network, DATA.train_pairs, DATA.train_answers), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)


def test_response(networks: Networks) -> None:
    training, model = networks
    model.requires_grad_(False)
    layout, probes = ParamLayout.attention(model), Examples(DATA.train_pairs, DATA.train_answers)
    checkpoint = Checkpoint(model, layout)
    direction = random_directions(1, layout.size, generator(0, "test"))[0]
    centroids_at = centroid_function(Grokking(EXPERIMENT), checkpoint, probes, "logit")
    respond = central_difference(centroids_at, checkpoint.theta, 0.05)
    step = 0.05 * checkpoint.theta.norm().item()
    theirs = plain.response(training.network, direction, step, DATA.train_pairs, DATA.train_answers)
    assert float(respond(direction)[0]) == pytest.approx(theirs, rel=1e-3)


def test_per_example_basis(networks: Networks) -> None:
    training, model = networks
    model.requires_grad_(False)
    layout, pairs, answers = ParamLayout.attention(model), DATA.train_pairs, DATA.train_answers[:1]
    ours = cases.per_example_basis(model, layout, pairs, answers[0], 2)
    theirs = plain.per_example_basis(training.network, pairs, answers, 2)
    torch.testing.assert_close(torch.linalg.svdvals(ours @ theirs.T), torch.ones(2), atol=1e-3, rtol=0)


def test_basis() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    ours = directions(rows, rolling_bases(gram_band(rows, 5), 5, 2), 0)
    torch.testing.assert_close((ours * plain.basis(rows, 2)).sum(1).abs(), torch.ones(2), atol=1e-4, rtol=0)


def test_pc1() -> None:
    positions = np.random.default_rng(0).standard_normal((7, 40)).astype(np.float32).cumsum(0)
    ours = pc1_percent(gram(positions - positions[0]))
    assert ours == pytest.approx(plain.pc1_percent(positions), rel=1e-4)


@pytest.mark.parametrize("run", coupling_cases.RUNS)
def test_responses_in_chunks_are_those_of_all_at_once(run: str) -> None:
    whole, chunked = coupling_cases.response(run, 8), coupling_cases.response(run, 8, 3)
    torch.testing.assert_close(chunked(), whole(), rtol=1e-3, atol=0)


def test_a_checkpoints_coupling_takes_the_directions_that_a_run_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str | None, bool]] = []

    def along(self: CheckpointResponses, vectors: torch.Tensor, task: str | None, *, fewer: bool = False) -> None:
        asked.append((len(vectors), task, fewer))

    monkeypatch.setattr(CheckpointResponses, "along", along)
    monkeypatch.setattr(CheckpointResponses, "baselines", lambda self, random: along(self, random, None))
    case = coupling_cases.checkpoint("multitask-42")
    case.ours()
    own = [(4, task, False) for task in ("add", "sub", "mul", "sq")]
    assert asked == [(20, None, False), (8, None, False), (24, None, True), *own]
    asked.clear()
    case.other()
    assert not any(fewer for _, _, fewer in asked)


def test_files_of_a_report_that_are_written_again_are_counted(tmp_path: Path) -> None:
    for name in ("kept.svg", "drawn.svg"):
        (tmp_path / name).touch()
    before = report.times(tmp_path)
    os.utime(tmp_path / "drawn.svg", ns=(1, 1))
    (tmp_path / "new.png").touch()
    assert {path.name for path in report.written(before, report.times(tmp_path))} == {"drawn.svg", "new.png"}


def test_a_start_with_imports_takes_longer_than_one_without() -> None:
    assert stage_start.started("import pandas") > stage_start.started("pass") > 0
    assert 0 < stage_start.forked("import json") < 1


def test_steps_of_every_way_to_wait_are_timed_without_the_callers_way(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def printed(command: list[str], env: dict[str, str], **options: Any) -> str:
        called.append((command[-3:], {name: value for name, value in env.items() if "OMP_" in name}))
        return "2.0 1.5\n"

    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setattr(subprocess, "check_output", printed)
    assert threads.timed(2, {"GOMP_SPINCOUNT": "1000"}, 7) == (2.0, 1.5)
    assert called == [(["2", "--steps", "7"], {"GOMP_SPINCOUNT": "1000"})]
    assert threads.cell([3.0, 1.0, 2.0]) == "2.0 (1.0 to 3.0)"
