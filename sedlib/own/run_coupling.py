"""The second pass over a run: responses of every stream's basis at a checkpoint, beside two nulls.

Shapes: responses are ``[directions, tasks]``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.randomness import generator
from sedlib.coupling import Response, central_difference, jvp, random_baseline
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.own.matched_directions import matched_directions
from sedlib.own.run_streams import RunStream
from sedlib.sampling import RandomDirections, random_directions

QUARTILES = (0.25, 0.75)


@dataclass(frozen=True)
class Responding:
    """How responses are measured, and with what they are compared."""

    probes: Probes
    tasks: Sequence[str]
    kind: Literal["difference", "jvp"] = "difference"
    epsilon: float = 0.005
    random: int = 20
    matched: int = 6
    seed: int = 0
    chunk: int | None = None

    def at(self, checkpoint: Checkpoint, task: str | None = None, *, check: bool = False) -> Response:
        """The response to a direction of the checkpoint's centroids, of a task or of every one."""
        probes = self.probes if task is None else _of_task(self.probes, self.tasks.index(task))
        centroids_at = CentroidFunction(checkpoint, probes, self.chunk, check=check)
        if self.kind == "jvp":
            return jvp(centroids_at, checkpoint.theta)
        return central_difference(centroids_at, checkpoint.theta, self.epsilon)

    def require_tasks(self, responses: Float[Tensor, "*directions scored"]) -> None:
        """Refuse scores of more or fewer tasks.

        Raises
        ------
        ValueError
            They are.
        """
        if responses.shape[-1] != len(self.tasks):
            raise ValueError(
                f"probes: expected scores of {len(self.tasks)} tasks ({', '.join(self.tasks)}), in that order, got "
                f"{responses.shape[-1]}: scores must be [tasks, probes]"
            )


def _of_task(probes: Probes, task: int) -> Probes:
    """The same probes with the scores of one task, so that no other task's centroids are computed."""
    return replace(probes, scores=lambda *given: probes.scores(*given)[task : task + 1])


class ResponsesAt:
    """A checkpoint's responses, relative to those of random directions."""

    def __init__(self, checkpoint: Checkpoint, responding: Responding) -> None:
        self.checkpoint, self.responding = checkpoint, responding
        self._respond: dict[str | None, Response] = {None: responding.at(checkpoint)}

    @cached_property
    def first(self) -> Float[Tensor, " tasks"]:
        """Responses to the first random direction: they tell one network, checkpoint and set of probes from another."""
        return self._responses(self._drawn[:1], None)[0]

    @cached_property
    def _random(self) -> Float[Tensor, "directions tasks"]:
        return torch.cat([self.first[None], *(self._responses([one], None) for one in islice(self._drawn, 1, None))])

    @property
    def _drawn(self) -> RandomDirections:
        size, responding = self.checkpoint.layout.size, self.responding
        return random_directions(responding.random, size, generator(responding.seed, "random"))

    @cached_property
    def _median(self) -> Float[Tensor, " tasks"]:
        return random_baseline(self._random).median

    def of(
        self, basis: Float[Tensor, "rank params"], task: str | None = None, *, matched: bool = True
    ) -> dict[str, dict[str, Any]]:
        """What is read off a basis by task; ``matched`` compares it with directions matched by slot."""
        tasks = self.responding.tasks if task is None else [task]
        median = self._median[[self.responding.tasks.index(name) for name in tasks]]
        ratios = self._responses(basis, task) / median
        found = {"ratio": ratios.mean(0), "ratio_1": ratios[0]}
        if matched and self.responding.matched:
            draws = generator(self.responding.seed, "matched directions")
            null = matched_directions(basis.cpu(), self.checkpoint.layout, self.responding.matched, draws)
            others = self._responses(null, task) / median
            deviation = others.std(0) / len(basis) ** 0.5  # of a mean over as many directions as the basis has
            found |= {"matched_mean": others.mean(0), "matched_z": (found["ratio"] - others.mean(0)) / deviation}
        return {name: {key: float(value[at]) for key, value in found.items()} for at, name in enumerate(tasks)}

    def random(self) -> dict[str, dict[str, float]]:
        """The spread of random directions about their median, by task."""
        quartiles = self._random.quantile(torch.tensor(QUARTILES).to(self._median), dim=0) / self._median
        low, high, medians = quartiles[0].tolist(), quartiles[-1].tolist(), self._median.tolist()
        return {
            task: {"random_median": median, "random_low": first, "random_high": last}
            for task, median, first, last in zip(self.responding.tasks, medians, low, high, strict=True)
        }

    def _responses(
        self, directions: Iterable[Float[Tensor, " params"]], task: str | None
    ) -> Float[Tensor, "directions tasks"]:
        if task not in self._respond:
            self._respond[task] = self.responding.at(self.checkpoint, task)
        theta, respond = self.checkpoint.theta, self._respond[task]
        return torch.stack([respond(direction.to(theta)) for direction in directions])


def coupling_at(
    step: int, responses: ResponsesAt, streams: Sequence[RunStream], windows: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: one for each stream, window and task, where a whole window ends at the step."""
    for stream, window in product(streams, windows):
        with located(f"step {step:,}, stream {stream.name}, window of {window}"):
            basis = stream.basis(step, window)
            if basis is None:
                continue
            tasks = responses.responding.tasks if stream.task is None else [stream.task]
            if isinstance(basis, str):
                found: dict[str, dict[str, Any]] = {task: {"rank": 0, "reason": basis} for task in tasks}
            else:
                read = responses.of(basis.directions, stream.task, matched=not stream.is_null)
                about = {"rank": len(basis.directions), "basis_error": basis.error}
                found = {task: {**about, **one} for task, one in read.items()}
        labels = {"step": step, "stream": stream.name, "window": window}
        yield from ({**labels, "task": task, **found[task], **responses.random()[task]} for task in tasks)
