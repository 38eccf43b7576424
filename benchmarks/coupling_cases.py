"""Changes of the coupling stage, each over what was there before: products, probes of the ladder, and a checkpoint."""

from collections.abc import Callable, Iterator
from functools import partial

import h5py
import torch
from torch import Tensor, nn

from benchmarks.case import Case, drawn
from sedlib.base.randomness import generator
from sedlib.coupling import central_difference
from sedlib.grokking.network.model import build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.study import Grokking
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.pipeline.coupling.checkpoint_responses import CheckpointResponses
from sedlib.pipeline.parameters.coupling_params import RunCouplingParams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.stored import StoredNetworks
from sedlib.sampling import random_directions
from sedlib.vectors import ParamLayout

RUNS = ("add-42", "multitask-42")
PROBES, FEWER = 1024, 256
LADDER, OWN = 24, 4
"""Directions of the ladder's six streams, and of each task's own gradient: three of W = 20 and one of W = 1."""


class FirstNetwork(MeasuredNetworks):
    """A run's network before its first step, in place of those that a file holds."""

    @classmethod
    def of(cls, run: str) -> "FirstNetwork":
        """Of a run in params.yaml."""
        experiment = Experiment.load(run)
        model = build_model(experiment)
        empty = h5py.File(f"{run}.h5", "w", driver="core", backing_store=False)
        layout, device = ParamLayout.attention(model), torch.device("cpu")
        return cls(StoredNetworks.of(empty, Grokking(experiment), model, layout, device), [0], [0])

    def load(self, index: int) -> nn.Module:
        """As it is."""
        return self.network


def coupling_cases() -> Iterator[tuple[str, Callable[[], Case]]]:
    """All by name."""
    for run in RUNS:
        yield f"coupling: oneDNN's products over MKL's, {run}", partial(by_onednn, run)
        yield f"coupling: {FEWER} probes over {PROBES:,}, {run}", partial(probes_at_once, run, FEWER, None)
        yield f"coupling: a checkpoint with its checks, now over before, {run}", partial(checkpoint, run)
    for chunk in (512, 256):
        yield f"coupling: {chunk} probes at a time over all, add-42", partial(probes_at_once, "add-42", PROBES, chunk)


def response(run: str, count: int, chunk: int | None = None) -> Callable[[], Tensor]:
    """The response of all tasks along one direction."""
    network, probes = FirstNetwork.of(run), drawn(Experiment.load(run), count, "probes")
    study, point = network.study, Checkpoint(network.network, network.layout)

    def scores(model: nn.Module, h: Tensor, targets: Tensor) -> Tensor:
        return study.scores(model, h, targets, "logit")

    asked = Probes(probes.inputs, scores, probes.targets, study.embedded)
    respond = central_difference(CentroidFunction(point, asked, chunk, check=False), point.theta, 0.005)
    direction = directions(network, 1)[0]
    return lambda: respond(direction)


def directions(network: FirstNetwork, count: int) -> Tensor:
    """Random ones."""
    return torch.stack(list(random_directions(count, network.layout.size, generator(0, "benchmark"))))


def by_onednn(run: str) -> Case:
    """One response by the products of either library."""
    respond = response(run, PROBES)
    return Case(respond, respond, calls=3)


def probes_at_once(run: str, count: int, chunk: int | None) -> Case:
    """A response of ``count`` probes, ``chunk`` at a time, over one of all at once."""
    return Case(response(run, PROBES), response(run, count, chunk), calls=3, other_is_ours=True)


def checkpoint(run: str) -> Case:
    """All responses of a checkpoint as the stage takes them, over all of them on all probes by MKL."""
    network, params = FirstNetwork.of(run), RunCouplingParams.load()
    probes, tasks = drawn(Experiment.load(run), PROBES, "probes"), network.study.tasks
    random, own, ladder = (directions(network, count) for count in (params.random_directions.count, OWN, LADDER))
    shared = directions(network, OWN * (1 if len(tasks) == 1 else 2))  # the update's, and those of the total gradient

    def measure(fewer: int | None) -> None:
        responses = CheckpointResponses(network, 0, probes, params, fewer)
        responses.baselines(random)
        responses.along(shared, None)
        responses.along(ladder, None, fewer=fewer is not None)
        for task in tasks:
            responses.along(own, task)

    return Case(lambda: measure(None), lambda: measure(params.ladder.probes), pairs=5)
