"""Responses of a run's centroids at one checkpoint, along any direction.

Shapes: directions are ``[directions, params]``, responses ``[directions, tasks]``.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.machine.replays import replayed_at
from sedlib.coupling import Baseline, Response, central_difference, coupling_ratios, jvp, random_baseline
from sedlib.models.centroid_function import GUARDED, CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.rounding_noise import rounding_noise
from sedlib.pipeline.centroids.probing import centroid_function
from sedlib.pipeline.parameters.coupling_params import CouplingParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.study import Examples


class CheckpointResponses:
    """Responses at one checkpoint, along any direction; all checkpoints share probes and random directions.

    ``fewer`` of the probes, the first ones, can be measured alone: responses are taken on these and on the others.
    """

    def __init__(
        self,
        networks: MeasuredNetworks,
        index: int,
        probes: Examples,
        params: CouplingParams,
        fewer: int | None = None,
    ) -> None:
        self.study, self.step = networks.study, networks.steps[index]
        self.params, self.parts = params, _parts(probes, fewer or len(probes))
        self.checkpoint = Checkpoint(networks.load(index), networks.layout)
        self.theta = self.checkpoint.theta
        with located(f"step {self.step:,}"):
            few = self._centroids_at(slice(None), probes.chosen(torch.arange(min(GUARDED, len(probes)))), check=True)
            self._noise = rounding_noise(few, self.theta)
        self._responses: dict[tuple[str | None, int], Response] = {}

    def along(
        self, vectors: Float[Tensor, "directions params"], task: str | None, *, fewer: bool = False
    ) -> Float[Tensor, "directions tasks"]:
        """Responses of the centroids of ``task`` alone, or of all tasks, on all probes or on the fewer ones."""
        return self._mean(self._by_part(vectors, task, 1 if fewer else len(self.parts)))

    def _by_part(
        self, vectors: Float[Tensor, "directions params"], task: str | None, parts: int
    ) -> Float[Tensor, "parts directions tasks"]:
        responses = [self._response(task, part) for part in range(parts)]
        vectors = vectors.to(self.theta.device)
        return torch.stack([torch.stack([respond(vector) for vector in vectors]) for respond in responses])

    def _mean(self, by_part: Float[Tensor, "parts directions tasks"]) -> Float[Tensor, "directions tasks"]:
        sizes = [len(part) for part in self.parts[: len(by_part)]]
        return sum((size / sum(sizes)) * part for size, part in zip(sizes, by_part, strict=True))

    def _response(self, task: str | None, part: int) -> Response:
        if (task, part) not in self._responses:
            tasks = slice(None)
            if task is not None:
                number = list(self.study.tasks).index(task)
                tasks = slice(number, number + 1)
            self._responses[task, part] = self._new_response(tasks, self.parts[part])
        return self._responses[task, part]

    def _new_response(self, tasks: slice, probes: Examples) -> Response:
        centroids_at, settings = self._centroids_at(tasks, probes), self.params.response
        if settings.kind == "jvp":
            return jvp(centroids_at, self.theta, check=False)
        recorded = replayed_at(centroids_at, self.theta)
        return central_difference(recorded, self.theta, settings.epsilon, self._noise[tasks])

    def _centroids_at(self, tasks: slice, probes: Examples, *, check: bool = False) -> CentroidFunction:
        return centroid_function(self.study, self.checkpoint, probes, self.params.centroid, tasks, check=check)

    def baseline(self, random: Float[Tensor, "random params"]) -> Baseline:
        """Response to the random directions.

        Raises
        ------
        ParamsError
            The response is lost in rounding.
        """
        return self.baselines(random)[False]

    def baselines(self, random: Float[Tensor, "random params"]) -> dict[bool, Baseline]:
        """The baseline of all probes, under True that of the fewer probes; both come from the same responses.

        Raises
        ------
        ParamsError
            The response is lost in rounding.
        """
        try:
            by_part = self._by_part(random, None, len(self.parts))
            return {fewer: random_baseline(self._mean(by_part[:1] if fewer else by_part)) for fewer in (False, True)}
        except ValueError as error:
            raise ParamsError(
                f"step {self.step:,}: {error}; choose a larger response.epsilon, or response.kind: jvp"
            ) from error

    def ratios(
        self,
        vectors: Float[Tensor, "directions params"],
        task: str | None,
        baseline: Baseline,
        *,
        fewer: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Rows of a tidy table: one per task and direction."""
        tasks = list(self.study.tasks)
        measured = tasks if task is None else [task]
        chosen = [tasks.index(name) for name in measured]
        responses = self.along(vectors, task, fewer=fewer)
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


def _parts(probes: Examples, first: int) -> list[Examples]:
    """The first so many of them, and the others if there are any."""
    numbers = torch.arange(len(probes), device=probes.inputs.device)
    return [probes.chosen(some) for some in (numbers[:first], numbers[first:]) if len(some)]
