"""The second pass over a run: responses of every stream's basis at a checkpoint, beside two nulls.

Shapes: responses are ``[directions, tasks]``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.randomness import generator
from sedlib.coupling import central_difference, jvp, random_baseline
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.own.matched_directions import matched_directions
from sedlib.own.run_streams import RunStream
from sedlib.sampling import random_directions

QUARTILES = (0.25, 0.75)


@dataclass(frozen=True)
class Responding:
    """How responses are measured, and with what they are compared."""

    probes: Probes
    tasks: Sequence[str]
    kind: Literal["difference", "jvp"] = "difference"
    epsilon: float = 0.005
    random: int = 20
    matched: int = 10
    seed: int = 0
    chunk: int | None = None

    def at(self, checkpoint: Checkpoint, *, check: bool) -> Callable[[Tensor], Float[Tensor, " tasks"]]:
        """The response of the checkpoint's centroids to a direction."""
        centroids_at = CentroidFunction(checkpoint, self.probes, self.chunk, check=check)
        if self.kind == "jvp":
            return jvp(centroids_at, checkpoint.theta)
        return central_difference(centroids_at, checkpoint.theta, self.epsilon)


class ResponsesAt:
    """A checkpoint's responses, relative to those of random directions."""

    def __init__(self, checkpoint: Checkpoint, responding: Responding, *, check: bool = False) -> None:
        self.checkpoint, self.responding = checkpoint, responding
        self._respond = responding.at(checkpoint, check=check)
        size = checkpoint.layout.size
        random = self._responses(random_directions(responding.random, size, generator(responding.seed, "random")))
        if random.shape[1] != len(responding.tasks):
            raise ValueError(
                f"probes: expected scores of {len(responding.tasks)} tasks ({', '.join(responding.tasks)}), in that "
                f"order, got {random.shape[1]}: scores must be [tasks, probes]"
            )
        self._median = random_baseline(random).median
        self._quartiles = random.quantile(torch.tensor(QUARTILES).to(random), dim=0) / self._median

    def of(self, basis: Float[Tensor, "rank params"], *, matched: bool = True) -> list[dict[str, float]]:
        """What is read off a basis, for each task; ``matched`` compares it with directions matched by slot."""
        ratios = self._responses(basis) / self._median
        found = {"ratio": ratios.mean(0), "ratio_1": ratios[0]}
        if matched and self.responding.matched:
            draws = generator(self.responding.seed, "matched directions")
            null = matched_directions(basis.cpu(), self.checkpoint.layout, self.responding.matched, draws)
            others = self._responses(null) / self._median
            deviation = others.std(0) / len(basis) ** 0.5  # of a mean over as many directions as the basis has
            found |= {"matched_mean": others.mean(0), "matched_z": (found["ratio"] - others.mean(0)) / deviation}
        return [{name: float(value[task]) for name, value in found.items()} for task in range(len(self._median))]

    def random(self) -> list[dict[str, float]]:
        """The spread of random directions about their median, for each task."""
        low, high = self._quartiles[0].tolist(), self._quartiles[-1].tolist()
        medians = self._median.tolist()
        return [
            {"random_median": median, "random_low": first, "random_high": last}
            for median, first, last in zip(medians, low, high, strict=True)
        ]

    def _responses(self, directions: Iterable[Float[Tensor, " params"]]) -> Float[Tensor, "directions tasks"]:
        theta = self.checkpoint.theta
        return torch.stack([self._respond(direction.to(theta)) for direction in directions])


def coupling_at(
    step: int, responses: ResponsesAt, streams: Sequence[RunStream], windows: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: one for each stream, window and task, where a whole window ends at the step."""
    for stream, window in product(streams, windows):
        with located(f"step {step:,}, stream {stream.name}, window of {window}"):
            basis = stream.basis(step, window)
            if basis is None:
                continue
            tasks, found = responses.responding.tasks, list[dict[str, Any]]()
            if isinstance(basis, str):
                found = [{"rank": 0, "reason": basis} for _ in tasks]
            else:
                read = responses.of(basis, matched=not stream.is_null)
                found = [{"rank": len(basis), **one} for one in read]
        labels = {"step": step, "stream": stream.name, "window": window}
        for task, own, random in zip(tasks, found, responses.random(), strict=True):
            if stream.task in (None, task):
                yield {**labels, "task": task, **own, **random}
