"""Windows and ranks: what the bases stage reads of params.yaml."""

from typing import Literal

from pydantic import Field

from sedlib.pipeline.parameters.sections import StageParams
from sedlib.pipeline.parameters.value_types import Window


class BasisParams(StageParams):
    """What the bases stage reads."""

    window: Window = Field(20, description="W: rows of a stream in one window of the rolling SVD.")
    rank: Window = Field(
        3, description="k: right singular vectors in a basis; a window of fewer rows has one for each."
    )
    alignment: Literal["trailing", "forward"] = Field(
        "trailing",
        description="Whether the window of a checkpoint ends there (trailing) or starts there (forward).",
    )
