"""The probes of a run, and their centroids as a function of the slots.

Shapes: centroids are ``[tasks, probes, inputs]``, inputs being the size of one embedded input.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.centroids import centroids
from sedlib.coupling import CentroidsAt
from sedlib.pipeline.parameters.centroid_params import CentroidParams, ProbeParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.study import Examples, Study, with_slots
from sedlib.vectors import ParamLayout


def probes_of(study: Study, settings: ProbeParams, device: torch.device) -> Examples:
    """The fixed examples whose centroids are measured, drawn from all."""
    return study.examples("all").drawn(settings.count, generator(settings.seed, "probes")).to(device)


def require_known(study: Study, params: CentroidParams) -> None:
    """Refuse a definition of the centroid that the study does not have.

    Raises
    ------
    ParamsError
        It has none of that name.
    """
    if params.centroid not in study.centroids:
        raise ParamsError(f"centroid = {params.centroid!r} is none of this study's: {', '.join(study.centroids)}")


def centroid_function(
    study: Study,
    network: nn.Module,
    layout: ParamLayout,
    probes: Examples,
    kind: str,
    tasks: slice = slice(None),
) -> CentroidsAt:
    """Centroids of ``tasks`` as a function of the layout's parameters, the others as they are in ``network``."""
    inputs = study.embedded(network, probes.inputs)

    def at(theta: Float[Tensor, " params"]) -> Float[Tensor, "tasks probes inputs"]:
        def scored(network: nn.Module, h: Tensor) -> Float[Tensor, "tasks probes"]:
            return study.scores(network, h, probes.targets, kind)[tasks]

        return centroids(with_slots(scored, network, layout.unflatten(theta)), inputs)

    return at
