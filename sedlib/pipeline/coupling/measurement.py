"""Coupling ratios of a run: bases of its streams, measured at the same checkpoints in the same way.

Shapes: directions are ``[directions, params]``, responses ``[directions, tasks]``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.bases import RollingBases, directions
from sedlib.coupling import (
    Baseline,
    Response,
    central_difference,
    coupling_ratios,
    jvp,
    random_baseline,
)
from sedlib.models.centroid_function import GUARDED, CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.rounding_noise import rounding_noise
from sedlib.pipeline.centroids.probing import centroid_function, probes_of, require_known
from sedlib.pipeline.coupling.onednn_products import onednn_products
from sedlib.pipeline.parameters.coupling_params import CouplingParams, RandomDirectionParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.bases_file import used_windows
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import Stream
from sedlib.pipeline.study import Examples
from sedlib.sampling import random_directions

StreamBases = tuple[Stream, list[tuple[RollingBases, list[int]]]]
"""A stream with its bases for every window size, and the checkpoint at which each basis is used."""


class CheckpointResponses:
    """Responses at one checkpoint, along any direction; shares probes and random directions with the others."""

    def __init__(self, networks: MeasuredNetworks, index: int, probes: Examples, params: CouplingParams) -> None:
        self.study, self.step = networks.study, networks.steps[index]
        self.probes, self.params = probes, params
        self.checkpoint = Checkpoint(networks.load(index), networks.layout)
        self.theta = self.checkpoint.theta
        with located(f"step {self.step:,}"), onednn_products():
            few = self._centroids_at(slice(None), probes.chosen(torch.arange(min(GUARDED, len(probes)))), check=True)
            self._noise = rounding_noise(few, self.theta)

    def along(self, vectors: Float[Tensor, "directions params"], task: str | None) -> Float[Tensor, "directions tasks"]:
        """Responses of the centroids of ``task`` alone, or of all tasks, to each direction."""
        chosen = slice(None)
        if task is not None:
            number = list(self.study.tasks).index(task)
            chosen = slice(number, number + 1)
        respond = self._response(chosen)
        with onednn_products():
            return torch.stack([respond(vector) for vector in vectors.to(self.theta.device)])

    def _response(self, tasks: slice) -> Response:
        centroids_at, settings = self._centroids_at(tasks, self.probes), self.params.response
        if settings.kind == "jvp":
            return jvp(centroids_at, self.theta, check=False)
        return central_difference(centroids_at, self.theta, settings.epsilon, self._noise[tasks])

    def _centroids_at(self, tasks: slice, probes: Examples, *, check: bool = False) -> CentroidFunction:
        return centroid_function(self.study, self.checkpoint, probes, self.params.centroid, tasks, check=check)

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
                f"step {self.step:,}: {error}; choose a larger response.epsilon, or response.kind: jvp"
            ) from error

    def ratios(
        self, vectors: Float[Tensor, "directions params"], task: str | None, baseline: Baseline
    ) -> Iterator[dict[str, Any]]:
        """Rows of a tidy table: one per task and direction."""
        tasks = list(self.study.tasks)
        measured = tasks if task is None else [task]
        chosen = [tasks.index(name) for name in measured]
        responses = self.along(vectors, task)
        own = Baseline(baseline.median.to(responses)[chosen], baseline.mean.to(responses)[chosen], baseline.count)
        ratios, _ = coupling_ratios(responses, own)
        for number, name in enumerate(measured):
            for direction in range(len(vectors)):
                yield {
                    "op": name,
                    "direction": direction + 1,
                    "response": float(responses[direction, number]),
                    "baseline_median": float(own.median[number]),
                    "baseline_mean": float(own.mean[number]),
                    "n_random": own.count,
                    "ratio": float(ratios[direction, number]),
                }


def measure_coupling(
    networks: MeasuredNetworks,
    streams: Iterable[StreamBases],
    params: CouplingParams,
    baselines: Mapping[int, Baseline] | None = None,
    label: str = "coupling",
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: one per step, task, stream, window and direction of the basis.

    A stream of one task's gradients is measured on that task's centroids, a shared stream on every task's. A window
    that is not whole at a checkpoint, or determines no basis, has no row there. ``baselines`` by step are measured
    where they are not given.

    Raises
    ------
    ParamsError
        The responses to random directions are lost in rounding.
    UserError
        A response is not finite, or a baseline is not positive; the message names step, stream and window.
    """
    streams = list(streams)
    require_known(networks.study, params)
    probes = probes_of(networks.study, params.probes, networks.device)
    random = drawn_directions(networks, params.random_directions)
    for index in track(
        networks.measured, len(networks.measured), label, lambda index: f"step {networks.steps[index]:,}"
    ):
        responses = CheckpointResponses(networks, index, probes, params)
        given = (baselines or {}).get(responses.step)
        baseline = responses.baseline(random) if given is None else given
        for stream, windows in streams:
            for basis, used_at in windows:
                if (number := used_windows(basis, used_at).get(index)) is not None:
                    labels = {"step": responses.step, "stream": stream.name, "window": basis.window}
                    with located(f"step {responses.step:,}, stream {stream.name}, window of {basis.window}"):
                        vectors = directions(stream.rows, basis, number)
                        rows = list(responses.ratios(vectors, stream.task, baseline))
                    yield from ({**labels, **row} for row in rows)


def drawn_directions(networks: MeasuredNetworks, settings: RandomDirectionParams) -> Float[Tensor, "random params"]:
    """The random directions of the baseline, on the device."""
    drawn = random_directions(settings.count, networks.layout.size, generator(settings.seed, "random directions"))
    return torch.stack(tuple(drawn)).to(networks.device)


def measured_baselines(coupling: pd.DataFrame, tasks: Sequence[str]) -> dict[int, Baseline]:
    """Baselines by step, as a table of coupling ratios holds them: at steps where every task has a row."""
    columns = ["baseline_median", "baseline_mean", "n_random"]
    found = {}
    for step, rows in coupling.groupby("step"):
        median, mean, count = rows.groupby("op")[columns].first().reindex(list(tasks)).to_numpy().T
        if np.isnan(count).any():  # of an operation without a basis at this step nothing was measured
            continue
        found[int(str(step))] = Baseline(torch.tensor(median).float(), torch.tensor(mean).float(), int(count[0]))
    return found
