"""From which accuracy on a run counts as having generalised."""

from pydantic import Field

from sedlib.pipeline.parameters.sections import StageParams
from sedlib.pipeline.parameters.value_types import Fraction


class GrokParams(StageParams):
    """What the stages read that need a grok step."""

    grok_threshold: Fraction = Field(0.98, description="Test accuracy whose first checkpoint is the grok step.")
