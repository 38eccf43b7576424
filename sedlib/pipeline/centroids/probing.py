"""The probes of a run, and their centroids.

Shapes: probes are ``[probes, 2]``, embedded inputs ``[probes, tokens, d]``, centroids ``[tasks, probes, inputs]``
with inputs = tokens · d.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sedlib.base.randomness import generator
from sedlib.centroids import centroids, full_scores, logit_scores
from sedlib.coupling import CentroidsAt
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.pairs import all_pairs, answers, draw
from sedlib.grokking.setup.params import ProbeParams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.vectors import ParamLayout

CentroidKind = Literal["logit", "full"]


@dataclass(frozen=True)
class Probes:
    """Fixed pairs with their answers, on the device."""

    pairs: Int64[Tensor, "probes 2"]
    answers: Int64[Tensor, "tasks probes"]

    @classmethod
    def of(cls, networks: MeasuredNetworks, settings: ProbeParams) -> "Probes":
        """Drawn from all pairs of the run."""
        ops, p = networks.experiment.run.ops, networks.experiment.data.p
        pairs = draw(all_pairs(ops, p), settings.count, generator(settings.seed, "probes"))
        device = networks.model.token.device
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
