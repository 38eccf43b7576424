"""Time of an intervened training step over a natural one, paired in one process.

For every intervention, blocks of natural and intervened steps alternate; the ratio of each pair is taken, and the
median over pairs is printed with the extremes. A tenth of the pairs is trained on and one tested, so that the
evaluation at the end of a block is a hundredth of it.

    python benchmarks/intervened_step.py [--pairs 15] [--threads 1]
"""

import argparse
import statistics
import time
from collections.abc import Iterator

import torch

from sedlib.grokking.cells import Cell, InterventionParams
from sedlib.grokking.evaluation import Data
from sedlib.grokking.experiment import Experiment
from sedlib.grokking.interventions import ProjectedSteps
from sedlib.grokking.model import GrokkingTransformer
from sedlib.grokking.stepping import Intervention
from sedlib.grokking.training import Checkpoint, train
from sedlib.randomness import generator

STEPS = 25
INTERVENTIONS = [
    f"{projection}-{condition}"
    for projection in ("update", "gradient")
    for condition in ("keep-sed", "remove-sed", "keep-random", "remove-random", "freeze")
]


def training(experiment: Experiment, data: Data, intervention: str) -> Iterator[Checkpoint]:
    """Training that can be advanced a block at a time."""

    def intervene(model: GrokkingTransformer) -> Intervention:
        if intervention == "control":
            return Intervention()
        cell = Cell.of("add-42", intervention, None, None)
        return ProjectedSteps(cell, InterventionParams(), model, generator(0, "benchmark"))

    return train(experiment, data, torch.device("cpu"), intervene)


def seconds(steps: Iterator[Checkpoint]) -> float:
    """Time of the next block of steps."""
    start = time.perf_counter()
    next(steps)
    return time.perf_counter() - start


def main(pairs: int, threads: int) -> None:
    """Print one line per intervention."""
    torch.set_num_threads(threads)
    committed = Experiment.load("add-42")
    experiment = committed.model_copy(
        update={
            "run": committed.run.model_copy(update={"checkpoint_every": STEPS}),
            "data": committed.data.model_copy(update={"train_fraction": 0.1}),
        }
    )
    data = Data.of(experiment, torch.device("cpu"))
    few = Data(data.train_pairs, data.train_answers, data.test_pairs[:1], data.test_answers[:, :1])
    print(f"{threads} thread(s), {pairs} pairs of {STEPS} steps; intervened / natural")
    for intervention in INTERVENTIONS:
        natural, intervened = training(experiment, few, "control"), training(experiment, few, intervention)
        for steps in (natural, intervened):
            for _ in range(3):
                seconds(steps)
        ratios = sorted(seconds(intervened) / seconds(natural) for _ in range(pairs))
        print(f"{intervention:<24}{statistics.median(ratios):6.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    main(**vars(parser.parse_args()))
