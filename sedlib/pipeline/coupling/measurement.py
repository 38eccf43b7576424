"""Coupling ratios of a run: bases of its streams, measured at the same checkpoints in the same way.

Shapes: directions are ``[directions, params]``, responses ``[directions, tasks]``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.bases import RollingBases, directions
from sedlib.coupling import (
    Baseline,
    CentroidsAt,
    Response,
    central_difference,
    coupling_ratios,
    jvp,
    random_baseline,
    random_directions,
)
from sedlib.grokking.setup.params import Params, ProbeParams, RandomDirectionParams, ResponseParams
from sedlib.pipeline.centroids.probing import CentroidKind, Probes, centroid_function
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import Stream

StreamBases = tuple[Stream, list[tuple[RollingBases, list[int]]]]
"""A stream with its bases for every window size, and the checkpoint at which each basis is used."""


@dataclass(frozen=True)
class Measurement:
    """How a coupling ratio is measured."""

    probes: ProbeParams
    centroid: CentroidKind
    response: ResponseParams
    random_directions: RandomDirectionParams

    @classmethod
    def of(cls, params: Params) -> "Measurement":
        """As params.yaml describes it."""
        return cls(params.probes, params.centroid, params.response, params.random_directions)


class CheckpointResponses:
    """Responses at one checkpoint, along any direction; shares probes and random directions with the others."""

    def __init__(self, networks: MeasuredNetworks, index: int, probes: Probes, measurement: Measurement) -> None:
        self.ops, self.layout = networks.experiment.run.ops, networks.layout
        self.step = networks.steps[index]
        self.model, self.probes, self.measurement = networks.load(index), probes, measurement
        self.theta = self.layout.flatten(self.model.state_dict())

    def along(self, vectors: Float[Tensor, "directions params"], op: str | None) -> Float[Tensor, "directions tasks"]:
        """Responses of the centroids of ``op`` alone, or of all operations, to each direction."""
        tasks = slice(None) if op is None else slice(self.ops.index(op), self.ops.index(op) + 1)
        at = centroid_function(self.model, self.layout, self.probes, self.measurement.centroid, tasks)
        respond = _response(at, self.theta, self.measurement.response)
        return torch.stack([respond(vector) for vector in vectors.to(self.theta.device)])

    def baseline(self, random: Float[Tensor, "random params"]) -> Baseline:
        """Response to the random directions.

        Raises
        ------
        ParamsError
            The response is lost in rounding.
        """
        try:
            return random_baseline(self.along(random, None))
        except ValueError as error:
            raise ParamsError(
                f"step {self.step}: {error}; choose a larger response.epsilon, or response.kind: jvp"
            ) from error

    def ratios(
        self, vectors: Float[Tensor, "directions params"], op: str | None, baseline: Baseline
    ) -> Iterator[dict[str, Any]]:
        """Rows of a tidy table: one per operation and direction."""
        measured = self.ops if op is None else [op]
        chosen = [self.ops.index(name) for name in measured]
        responses = self.along(vectors, op)
        own = Baseline(baseline.median.to(responses)[chosen], baseline.mean.to(responses)[chosen], baseline.count)
        ratios, _ = coupling_ratios(responses, own)
        for task, name in enumerate(measured):
            for direction in range(len(vectors)):
                yield {
                    "op": name,
                    "direction": direction + 1,
                    "response": float(responses[direction, task]),
                    "baseline_median": float(own.median[task]),
                    "baseline_mean": float(own.mean[task]),
                    "n_random": own.count,
                    "ratio": float(ratios[direction, task]),
                }


def measure_coupling(
    networks: MeasuredNetworks,
    streams: Iterable[StreamBases],
    measurement: Measurement,
    baselines: Mapping[int, Baseline] | None = None,
    label: str = "coupling",
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: one per step, operation, stream, window and direction of the basis.

    A stream of one operation's gradients is measured on that operation's centroids, a shared stream on every
    operation's. A window that is not whole at a checkpoint has no basis there and no row. ``baselines`` by step
    are measured unless they are given.
    """
    streams = list(streams)
    probes = Probes.of(networks, measurement.probes)
    random = drawn_directions(networks, measurement.random_directions)
    for index in track(
        networks.measured, len(networks.measured), label, lambda index: f"step {networks.steps[index]:,}"
    ):
        responses = CheckpointResponses(networks, index, probes, measurement)
        baseline = responses.baseline(random) if baselines is None else baselines[responses.step]
        for stream, windows in streams:
            for basis, used_at in windows:
                if index in used_at:
                    vectors = directions(stream.rows, basis, used_at.index(index))
                    labels = {"step": responses.step, "stream": stream.name, "window": basis.window}
                    yield from ({**labels, **row} for row in responses.ratios(vectors, stream.op, baseline))


def drawn_directions(networks: MeasuredNetworks, settings: RandomDirectionParams) -> Float[Tensor, "random params"]:
    """The random directions of the baseline, on the device."""
    drawn = random_directions(settings.count, networks.layout.size, generator(settings.seed, "random directions"))
    return drawn.to(networks.model.token.device)


def measured_baselines(coupling: pd.DataFrame, ops: list[str]) -> dict[int, Baseline]:
    """Baselines by step, as a table of coupling ratios holds them."""
    columns = ["baseline_median", "baseline_mean", "n_random"]
    found = {}
    for step, rows in coupling.groupby("step"):
        median, mean, count = rows.groupby("op")[columns].first().loc[ops].to_numpy().T
        found[int(str(step))] = Baseline(torch.tensor(median).float(), torch.tensor(mean).float(), int(count[0]))
    return found


def _response(centroids_at: CentroidsAt, theta: Tensor, settings: ResponseParams) -> Response:
    if settings.kind == "jvp":
        return jvp(centroids_at, theta)
    return central_difference(centroids_at, theta, settings.epsilon)
