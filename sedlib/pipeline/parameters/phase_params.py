"""Bases from one checkpoint alone, at three phases of training: what the single_step stage reads of params.yaml."""

from pydantic import Field

from sedlib.pipeline.parameters.centroid_params import ProbeParams
from sedlib.pipeline.parameters.coupling_params import CouplingParams, RandomDirectionParams, ResponseParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.value_types import Window


class PhaseParams(GrokParams):
    """What the single_step stage reads; it measures every definition of the centroid."""

    rank: Window = Field(3, description="As the bases stage reads it.")
    probes: ProbeParams = ProbeParams()
    response: ResponseParams = ResponseParams()
    random_directions: RandomDirectionParams = RandomDirectionParams()

    def with_centroid(self, kind: str) -> CouplingParams:
        """How coupling is measured by one definition."""
        return CouplingParams(
            probes=self.probes, centroid=kind, response=self.response, random_directions=self.random_directions
        )
