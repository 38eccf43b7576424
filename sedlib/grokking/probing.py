"""The probes of a run, the checkpoints at which they are measured, and their centroids.

Shapes: probes are ``[probes, 2]``, embedded inputs ``[probes, tokens, d]``, centroids ``[tasks, probes, inputs]``
with inputs = tokens · d.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sedlib.centroids import centroids, full_scores, logit_scores
from sedlib.coupling import CentroidsAt
from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.model import GrokkingTransformer
from sedlib.grokking.params import ProbeParams
from sedlib.grokking.tasks import all_pairs, answers, draw
from sedlib.randomness import generator
from sedlib.vectors import ParamLayout

CentroidKind = Literal["logit", "full"]


def measured_checkpoints(n_checkpoints: int, count: int | Literal["all"]) -> list[int]:
    """``count`` evenly spaced checkpoints, the first and the last included; all if there are no more."""
    if count == "all" or count >= n_checkpoints:
        return list(range(n_checkpoints))
    return [int(index) for index in np.linspace(0, n_checkpoints - 1, count).round()]


@dataclass(frozen=True)
class Probes:
    """Fixed pairs with their answers, on the device."""

    pairs: Int64[Tensor, "probes 2"]
    answers: Int64[Tensor, "tasks probes"]

    @classmethod
    def of(cls, checkpoints: RunCheckpoints, settings: ProbeParams) -> "Probes":
        """Drawn from all pairs of the run."""
        ops, p = checkpoints.experiment.run.ops, checkpoints.experiment.data.p
        pairs = draw(all_pairs(ops, p), settings.count, generator(settings.seed, "probes"))
        device = checkpoints.model.token.device
        return cls(pairs.to(device), answers(ops, pairs, p).to(device))


def centroid_function(
    model: GrokkingTransformer,
    layout: ParamLayout,
    probes: Probes,
    kind: CentroidKind,
    tasks: slice = slice(None),
) -> CentroidsAt:
    """Centroids of ``tasks`` as a function of the layout's parameters, the others as they are in ``model``."""
    inputs = model.embed(probes.pairs)

    def at(theta: Float[Tensor, " params"]) -> Float[Tensor, "tasks probes inputs"]:
        selected = layout.unflatten(theta)

        def scores(h: Float[Tensor, "probes tokens d"]) -> Float[Tensor, "tasks probes"]:
            logits = torch.func.functional_call(model, selected, (h,))[tasks]
            return full_scores(logits) if kind == "full" else logit_scores(logits, probes.answers[tasks])

        return centroids(scores, inputs)

    return at
