"""Which rows are taken, and how they are stored: what the dump stage reads of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from sedlib.pipeline.parameters.limits import CHECKPOINTS
from sedlib.pipeline.parameters.sections import Section, StageParams
from sedlib.pipeline.parameters.value_types import Examples, Seed

Pool = Literal["all", "train", "test"]


class GradientBatchParams(Section):
    """The fixed batch on which gradient rows are taken."""

    size: Examples = Field(512, description="Number of different examples.")
    seed: Seed = Field(0, description="Seed of the draw.")
    pairs: Pool = Field("all", description="Examples drawn from: all, train or test.")


class DumpParams(Section):
    """How the gradients file is written."""

    dtype: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="Dtype of stored rows; rows are computed in float32 and read as such."
    )


class RowParams(StageParams):
    """What the dump stage reads."""

    measured_checkpoints: Annotated[int, Field(ge=2, le=CHECKPOINTS.most), CHECKPOINTS] | Literal["all"] = Field(
        40, description="Evenly spaced checkpoints at which centroids and coupling are measured, or all."
    )
    gradient_batch: GradientBatchParams = GradientBatchParams()
    dump: DumpParams = DumpParams()
