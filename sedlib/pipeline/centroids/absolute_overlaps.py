"""Overlap of two centroids' top components from the absolute values of their cosines.

Singular values of absolute cosines are no principal cosines: their mean may be larger or smaller.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from sedlib.models.checkpoint import Checkpoint
from sedlib.pipeline.centroids.probing import centroid_function, probes_of
from sedlib.pipeline.parameters.centroid_params import CentroidParams
from sedlib.pipeline.rows.networks import MeasuredNetworks

COMPONENTS = 3


def overlaps(first: Float64[Tensor, "probes inputs"], second: Float64[Tensor, "probes inputs"]) -> tuple[float, float]:
    """Mean principal cosine of the top three components, and the mean singular value of their absolute cosines."""
    axes = [torch.linalg.svd(each - each.mean(0), full_matrices=False)[2][:COMPONENTS] for each in (first, second)]
    cosines = axes[0] @ axes[1].T
    return float(torch.linalg.svdvals(cosines).mean()), float(torch.linalg.svdvals(cosines.abs()).mean())


def measure_overlaps(
    networks: MeasuredNetworks, params: CentroidParams, kinds: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: both overlaps of two definitions of the centroid, per step and task."""
    probes = probes_of(networks.study, params.probes, networks.device)
    for index in networks.measured:
        checkpoint = Checkpoint(networks.load(index), networks.layout)
        functions = [centroid_function(networks.study, checkpoint, probes, kind) for kind in kinds]
        found = [function(function.theta).double().cpu() for function in functions]
        for number, task in enumerate(networks.study.tasks):
            cosine, absolute = overlaps(found[0][number], found[1][number])
            yield {"step": networks.steps[index], "op": task, "top3_cosine": cosine, "absolute_overlap": absolute}
