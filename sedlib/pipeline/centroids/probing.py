"""The probes of a run, and their centroids as a function of the slots.

Shapes: centroids are ``[tasks, probes, inputs]``, inputs being the size of one embedded input.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.pipeline.parameters.centroid_params import CentroidParams, ProbeParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.study import Examples, Study


def probes_of(study: Study, settings: ProbeParams, device: torch.device) -> Examples:
    """The fixed examples whose centroids are measured, drawn from all."""
    return study.examples("all").drawn(settings.count, generator(settings.seed, "probes")).to(device)


def require_known(study: Study, params: CentroidParams) -> None:
    """Refuse a definition of the centroid that the study does not have.

    Raises
    ------
    ParamsError
        The study has no definition of that name.
    """
    if params.centroid not in study.centroids:
        raise ParamsError(f"centroid = {params.centroid!r} is not one of this study's: {', '.join(study.centroids)}")


def centroid_function(
    study: Study,
    checkpoint: Checkpoint,
    examples: Examples,
    kind: str,
    tasks: slice = slice(None),
    *,
    check: bool = False,
) -> CentroidFunction:
    """Centroids of ``tasks`` as a function of the slots; ``check`` tries it out on a few probes first."""

    def scores(network: nn.Module, h: Tensor, targets: Tensor) -> Float[Tensor, "tasks probes"]:
        return study.scores(network, h, targets, kind)[tasks]

    probes = Probes(examples.inputs, scores, examples.targets, study.embedded)
    return CentroidFunction(checkpoint, probes, check=check)
