"""How a coupling ratio is measured: what the coupling stage reads of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from sedlib.pipeline.parameters.centroid_params import CentroidParams
from sedlib.pipeline.parameters.limits import EXAMPLES
from sedlib.pipeline.parameters.sections import Section
from sedlib.pipeline.parameters.value_types import Count, Seed


class ResponseParams(Section):
    """How the response of centroids to a direction is measured."""

    kind: Literal["difference", "jvp"] = Field(
        "difference", description="Central difference with a finite step, or jvp, its exact limit."
    )
    epsilon: float = Field(
        0.005,
        ge=1e-5,
        lt=1,
        description="Step of the difference, relative to the norm of the slots; "
        "smaller ones are lost in float32, where kind: jvp is exact.",
    )


class RandomDirectionParams(Section):
    """The Gaussian unit directions of the baseline."""

    count: Count = Field(20, description="Number of directions.")
    seed: Seed = Field(0, description="Seed of the draw.")


class CouplingParams(CentroidParams):
    """How the coupling ratios of a basis are measured."""

    response: ResponseParams = ResponseParams()
    random_directions: RandomDirectionParams = RandomDirectionParams()


class LadderParams(Section):
    """How the streams between gradient and update are measured."""

    probes: Annotated[int, EXAMPLES] = Field(
        256,
        ge=1,
        le=EXAMPLES.most,
        description="Number of the probes, the first of them, on which the ladder's streams are measured; "
        "all where there are no more.",
    )


class RunCouplingParams(CouplingParams):
    """What the coupling stage reads."""

    ladder: LadderParams = LadderParams()
