"""What a device takes for a step, an evaluation and a response, and for a step of many networks at once.

    SEDLIB_DEVICE=cuda python -m benchmarks.device

Milliseconds: the median of some rounds of calls, and the extremes; the device is waited for at the end of a round.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from benchmarks.stacked import StackedTraining
from benchmarks.timing import milliseconds, number
from sedlib.base.machine.hardware import build, chosen
from sedlib.base.machine.replays import replayed_at
from sedlib.base.randomness import generator
from sedlib.coupling import central_difference
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.projected_steps import projecting
from sedlib.grokking.network.evaluation import Data, evaluate
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention, TrainingStep
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.rounding_noise import rounding_noise
from sedlib.pipeline.centroids.probing import centroid_function
from sedlib.vectors import ParamLayout

RUNS = ("add-42", "multitask-42")
STACKED = [f"{op}-{seed}" for seed in (42, 137, 2024) for op in ("add", "sub", "mul", "sq")]
COPIES = 8
INTERVENTIONS = ("update-freeze", "update-keep-sed", "update-keep-random")
WARM = 25
"""Steps before the first that is timed: a history is full, and graphs are recorded."""
ROUNDS = 5


def timed(routine: Callable[[], object], device: torch.device, calls: int, warm: int = 5) -> str:
    """Milliseconds of a call, with the extremes of the rounds."""

    def calls_to_the_end() -> None:
        for _ in range(calls):
            routine()
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(warm):
        routine()
    found = [milliseconds(calls_to_the_end, 1) / calls for _ in range(ROUNDS)]
    return f"{number(statistics.median(found))} ({number(min(found))} to {number(max(found))})"


def steps(run: str, device: torch.device, intervention: str = "") -> tuple[Callable[[], None], Callable[[], object]]:
    """Training steps of a run on its own batches, and its evaluation."""
    experiment = Experiment.load(run)
    data, model = Data.of(experiment, device), build_model(experiment).to(device)
    given = Intervention()
    if intervention:
        given = projecting(Cell.of(run, intervention), ProjectionParams(), seed=0)(model, data)
    step, batches = TrainingStep(model, data, experiment, given), generator(experiment.run.seed, "batches")
    size = (experiment.optimizer.batch_size,)
    return (
        lambda: step(torch.randint(len(data.train_pairs), size, generator=batches)),
        lambda: evaluate(model, data, experiment.run.ops),
    )


def responses(run: str, device: torch.device) -> tuple[Callable[[], object], Callable[[], object]]:
    """The response of 768 probes along one direction: called, and as the coupling stage calls it."""
    experiment = Experiment.load(run)
    model: GrokkingTransformer = build_model(experiment).requires_grad_(False).to(device)
    study, checkpoint = Grokking(experiment), Checkpoint(model, ParamLayout.attention(model))
    probes = study.examples("all").drawn(768, generator(0, "probes")).to(device)
    centroids_at = centroid_function(study, checkpoint, probes, "logit")
    theta, noise = checkpoint.theta, rounding_noise(centroids_at, checkpoint.theta)
    direction = F.normalize(torch.randn(len(theta), generator=generator(0, "benchmark")), dim=0).to(device)
    plain = central_difference(centroids_at, theta, 0.005, noise)
    recorded = central_difference(replayed_at(centroids_at, theta), theta, 0.005, noise)
    return lambda: plain(direction), lambda: recorded(direction)


def rows(device: torch.device, most: int) -> Iterator[tuple[str, str]]:
    """Each routine with its milliseconds."""
    many, few = (200, 20) if device.type == "cuda" else (3, 1)
    for run in RUNS:
        step, evaluation = steps(run, device)
        yield f"training step, {run}", timed(step, device, many)
        yield f"evaluation, {run}", timed(evaluation, device, few)
        called, replayed = responses(run, device)
        yield f"response of 768 probes, {run}", timed(called, device, few)
        yield f"the same, recorded where the device can, {run}", timed(replayed, device, few)
    for intervention in INTERVENTIONS:
        step, _ = steps("add-42", device, intervention)
        yield f"step under {intervention}, add-42", timed(step, device, few, WARM)
    runs = STACKED * COPIES
    for count in [count for count in (1, 3, 6, 12, 24, 48, 96) if count <= most]:
        stacked = StackedTraining([Experiment.load(run) for run in runs[:count]], device)
        yield f"step of {count} networks at once", timed(stacked, device, few, WARM if device.type == "cuda" else 1)


def main(most: int) -> None:
    """Print the device, and the table."""
    device = chosen()
    print(f"{', '.join(build(device).values())}\n\n| | ms |\n|---|---|")
    for name, found in rows(device, most):
        print(f"| {name} | {found} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=96, help="networks at once")
    main(parser.parse_args().most)
