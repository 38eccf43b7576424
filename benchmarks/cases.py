"""What is timed against what. Every case is a pair of routines, ``(the plain one, ours)``, on the paper's sizes."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import plain
from benchmarks.case import Case, drawn
from benchmarks.coupling_cases import coupling_cases
from sedlib.base.randomness import generator
from sedlib.bases import rolling_bases
from sedlib.coupling import central_difference
from sedlib.curvature import commutators, pooled_pairs
from sedlib.fisher import gradient_basis
from sedlib.gradients import per_example_gradients, task_gradients
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.projected_steps import projecting
from sedlib.grokking.network.evaluation import Data, evaluate
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention, TrainingStep
from sedlib.models.centroid_function import GUARDED
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.rounding_noise import rounding_noise
from sedlib.pipeline.centroids.probing import centroid_function
from sedlib.pipeline.geometry.defects import batch_gradient, readings
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.products import gram, gram_band
from sedlib.projection import random_basis
from sedlib.sampling import random_directions
from sedlib.trajectory import Displacements, expanding_pc1_percent
from sedlib.vectors import ParamLayout

CPU = torch.device("cpu")
INTERVENTIONS = [
    f"{projection}-{condition}"
    for projection in ("update", "gradient")
    for condition in ("keep-sed", "remove-sed", "keep-random", "remove-random", "freeze")
]
ROWS, WINDOW, RANK, SIZE = (200, 2000), 20, 3, 131_072
CHECKPOINTS, MATRIX, EXECUTION = 140, 16_384, 16
"""Of a run; parameters of an attention matrix; dimension of the execution basis."""
DIRECTIONS = 52
"""Of a checkpoint of a run of one operation: 20 random ones, and the bases'."""


def cases(folder: Path) -> Iterator[tuple[str, Callable[[], Case]]]:
    """All cases by name, each made when it is asked for; files go to ``folder``."""
    for run in ("add-42", "multitask-42"):
        yield f"training step, {run}", partial(training_step, run)
        yield f"evaluation, {run}", partial(evaluation, run)
        yield f"dump of a checkpoint, {run}", partial(dump, run)
        yield f"curvature of a checkpoint over the steps to the next, {run}", partial(curvature, run)
    yield "step in medium over highest precision", medium_precision
    for intervention in INTERVENTIONS:
        yield f"{intervention} over a natural step", partial(intervened_step, intervention)
    yield "coupling measurement", coupling
    yield "coupling of a checkpoint, tried out over not tried out", guarded
    yield from coupling_cases()
    for n_rows in ROWS:
        yield f"bases, T = {n_rows:,}", partial(bases, folder, n_rows)
    yield f"PC1 of a matrix up to each checkpoint, T = {CHECKPOINTS}", pc1
    yield "per-example basis, M = 512", per_example
    yield "start of a stage over `import torch`", stage_start


def training_step(run: str) -> Case:
    """One optimizer step."""
    experiment = Experiment.load(run)
    data = Data.of(experiment, CPU)
    training, batches = plain.PlainTraining(experiment, data), _batches(experiment, data)
    return Case(lambda: training.step(next(batches)), _steps(experiment, data, lambda model: Intervention()), calls=20)


def medium_precision() -> Case:
    """Our step with bfloat16 products, where the processor has them, over our step."""
    experiment = Experiment.load("add-42")
    optimizer = experiment.optimizer.model_copy(update={"matmul_precision": "medium"})
    data = Data.of(experiment, CPU)
    highest, medium = (
        _steps(changed, data, lambda model: Intervention())
        for changed in (experiment, experiment.model_copy(update={"optimizer": optimizer}))
    )
    return Case(highest, medium, 20, other_is_ours=True)


def evaluation(run: str) -> Case:
    """Accuracies and losses of all pairs."""
    experiment = Experiment.load(run)
    data, model = Data.of(experiment, CPU), build_model(experiment)
    return Case(plain.PlainTraining(experiment, data).evaluate, lambda: evaluate(model, data, experiment.run.ops), 3)


def dump(run: str) -> Case:
    """The gradient rows of one checkpoint."""
    experiment = Experiment.load(run)
    network, model = plain.PlainNetwork(experiment), build_model(experiment)
    ops, layout = experiment.run.ops, ParamLayout.attention(model)
    batch = drawn(experiment, 512, "gradient batch")

    def losses(model: nn.Module) -> dict[str, torch.Tensor]:
        found = task_losses(cast("GrokkingTransformer", model), batch.inputs, batch.targets)
        return dict(zip(ops, found, strict=True))

    def ours() -> object:
        return task_gradients(losses, model, layout, check=False)

    return Case(lambda: plain.gradients(network, batch.inputs, batch.targets), ours, 10)


def intervened_step(intervention: str) -> Case:
    """An intervened step over a natural one; the history is full."""
    experiment = Experiment.load("add-42")
    data = Data.of(experiment, CPU)
    cell = Cell.of("add-42", intervention)
    intervene = projecting(cell, ProjectionParams(), seed=0)
    steps = _steps(experiment, data, lambda model: intervene(model, data))
    for _ in range(ProjectionParams().window + 1):
        steps()
    return Case(_steps(experiment, data, lambda model: Intervention()), steps, 20, other_is_ours=True)


def _steps(
    experiment: Experiment, data: Data, intervene: Callable[[GrokkingTransformer], Intervention]
) -> Callable[[], None]:
    model = build_model(experiment)
    step = TrainingStep(model, data, experiment, intervene(model))
    batches = _batches(experiment, data)
    return lambda: step(next(batches))


def _batches(experiment: Experiment, data: Data) -> Iterator[torch.Tensor]:
    """Numbers of training pairs, as training draws them."""
    random = generator(experiment.run.seed, "batches")
    while True:
        yield torch.randint(len(data.train_pairs), (experiment.optimizer.batch_size,), generator=random)


def coupling() -> Case:
    """The response along one direction: two sets of centroids of 1,024 probes."""
    experiment = Experiment.load("add-42")
    network, model = plain.PlainNetwork(experiment).requires_grad_(False), build_model(experiment).requires_grad_(False)
    layout = ParamLayout.attention(model)
    probes = drawn(experiment, 1024, "probes")
    checkpoint = Checkpoint(model, layout)
    direction = F.normalize(torch.randn(layout.size, generator=generator(0, "benchmark")), dim=0)
    centroids_at = centroid_function(Grokking(experiment), checkpoint, probes, "logit")
    respond = central_difference(centroids_at, checkpoint.theta, 0.005)
    step = 0.005 * checkpoint.theta.norm().item()
    return Case(
        lambda: plain.response(network, direction, step, probes.inputs, probes.targets), lambda: respond(direction), 3
    )


def guarded() -> Case:
    """The responses of a checkpoint with the guards of its network, over the responses alone."""
    experiment = Experiment.load("add-42")
    model = build_model(experiment).requires_grad_(False)
    checkpoint, study = Checkpoint(model, ParamLayout.attention(model)), Grokking(experiment)
    probes, few = drawn(experiment, 1024, "probes"), drawn(experiment, GUARDED, "probes")
    centroids_at = centroid_function(study, checkpoint, probes, "logit")
    directions = list(random_directions(DIRECTIONS, checkpoint.layout.size, generator(0, "benchmark")))

    def respond(noise: torch.Tensor) -> None:
        response = central_difference(centroids_at, checkpoint.theta, 0.005, noise)
        for direction in directions:
            response(direction)

    def ours() -> None:
        tried = centroid_function(study, checkpoint, few, "logit", check=True)
        respond(rounding_noise(tried, checkpoint.theta))

    return Case(lambda: respond(torch.zeros(1)), ours, other_is_ours=True)


def bases(folder: Path, n_rows: int) -> Case:
    """Every window of a stream in a file; the plain SVD of one window, times their number."""
    path = folder / f"{n_rows}.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("rows", (n_rows, SIZE), np.float32, chunks=(1, 2**14))
        for row in range(n_rows):
            stored[row] = rng.standard_normal(SIZE, dtype=np.float32)

    def ours() -> object:
        with h5py.File(path) as file:
            return rolling_bases(gram_band(file["rows"], WINDOW), WINDOW, RANK)

    def one_window() -> object:
        with h5py.File(path) as file:
            return plain.basis(file["rows"][:WINDOW], RANK)

    return Case(one_window, ours, pairs=5, other_counts=n_rows - WINDOW + 1)


def curvature(run: str) -> Case:
    """A measurement of the commutators over the training steps between two: what a run's defect costs."""
    experiment, settings = Experiment.load(run), CurvatureParams()
    data, model = Data.of(experiment, CPU), build_model(experiment)
    layout, random = ParamLayout.select(model, "*"), generator(0, "benchmark")
    gradient_at, theta = (
        batch_gradient(Grokking(experiment).losses, model, layout),
        layout.flatten(model.state_dict()).detach().clone(),
    )
    basis, *others = (random_basis(EXECUTION, layout.size, random) for _ in range(1 + settings.random_subspaces))
    motion, pairs = torch.randn(layout.size, generator=random), pooled_pairs(settings.draws)
    drawn = torch.randint(len(data.train_pairs), (1 + max(map(max, pairs)), settings.batch_size), generator=random)
    batches = [(data.train_pairs[batch], data.train_answers[:, batch]) for batch in drawn]

    def ours() -> object:
        found = list(commutators(gradient_at, theta, batches, pairs, settings.eta))
        return readings(found, basis, others, motion)

    step = _steps(experiment, data, lambda model: Intervention())
    return Case(lambda: [step() for _ in range(10)], ours, other_counts=settings.every / 10, other_is_ours=True)


def pc1() -> Case:
    """The trajectory up to each checkpoint; the plain SVD of the middle one, times their number."""
    positions = np.random.default_rng(0).standard_normal((CHECKPOINTS, MATRIX), dtype=np.float32).cumsum(0)
    rows = Displacements(positions, slice(0, MATRIX))
    return Case(
        lambda: plain.pc1_percent(positions[: CHECKPOINTS // 2]),
        lambda: expanding_pc1_percent(gram(rows)),
        other_counts=CHECKPOINTS - 2,
    )


def per_example() -> Case:
    """Three directions from the gradients of single examples."""
    experiment = Experiment.load("add-42")
    network, model = plain.PlainNetwork(experiment), build_model(experiment).requires_grad_(False)
    layout = ParamLayout.attention(model)
    batch = drawn(experiment, 512, "gradient batch")
    return Case(
        lambda: plain.per_example_basis(network, batch.inputs, batch.targets, RANK),
        lambda: per_example_basis(model, layout, batch.inputs, batch.targets[0], RANK),
        pairs=3,
    )


def per_example_basis(
    model: GrokkingTransformer, layout: ParamLayout, pairs: torch.Tensor, targets: torch.Tensor, rank: int
) -> torch.Tensor:
    """The package's basis of the first operation."""

    def loss_at(theta: torch.Tensor, h: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits: Any = torch.func.functional_call(model, layout.unflatten(theta), (h[None],))
        return F.cross_entropy(logits[0], target[None])

    theta = layout.flatten(model.state_dict())
    return gradient_basis(per_example_gradients(loss_at, theta, (model.embed(pairs), targets)), rank).directions


def stage_start() -> Case:
    """What a stage does before its work: its imports, and the choice of device, threads and kernels."""
    start = (
        "import runpy; from sedlib.base.machine.hardware import configure; configure(); "
        "runpy.run_path('stages/coupling.py')"
    )
    python = partial(subprocess.run, check=True, capture_output=True)
    return Case(
        partial(python, [sys.executable, "-c", "import torch"]),
        partial(python, [sys.executable, "-c", start]),
    )


def temporary() -> tempfile.TemporaryDirectory[str]:
    """A folder for the cases' files."""
    return tempfile.TemporaryDirectory(prefix="sedlib-benchmark-")
