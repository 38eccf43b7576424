"""Bases from one checkpoint alone, at three phases of training: what the single_step stage reads of params.yaml."""

from pydantic import Field

from sedlib.pipeline.parameters.coupling_params import CouplingParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.value_types import Positive


class PhaseParams(CouplingParams, GrokParams):
    """What the single_step stage reads."""

    rank: Positive = Field(3, description="As the bases stage reads it.")
