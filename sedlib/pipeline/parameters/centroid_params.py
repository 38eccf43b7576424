"""Probes and the definition of the centroid: what the centroids stage reads of params.yaml."""

from typing import Annotated

from pydantic import Field

from sedlib.pipeline.parameters.limits import EXAMPLES
from sedlib.pipeline.parameters.sections import Section, StageParams
from sedlib.pipeline.parameters.value_types import Seed


class ProbeParams(Section):
    """The fixed examples whose centroids are measured."""

    count: Annotated[int, EXAMPLES] = Field(
        1024, ge=3, le=EXAMPLES.most, description="Number of different examples, drawn from all."
    )
    seed: Seed = Field(0, description="Seed of the draw.")


class CentroidParams(StageParams):
    """What the centroids stage reads."""

    probes: ProbeParams = ProbeParams()
    centroid: str = Field(
        "logit",
        description="Definition of the centroid, one of the study's.",
    )
