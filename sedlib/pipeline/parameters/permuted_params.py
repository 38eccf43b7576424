"""Parameters of the null whose answers are permuted: what its stage reads of params.yaml."""

from typing import Annotated

from pydantic import Field

from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.coupling_params import CouplingParams
from sedlib.pipeline.parameters.limits import CHECKPOINTS, COUNT, RUNS
from sedlib.pipeline.parameters.row_params import GradientBatchParams
from sedlib.pipeline.parameters.sections import Section
from sedlib.pipeline.parameters.value_types import Seed


class PermutedParams(Section):
    """The gradient on answers that belong to other examples."""

    runs: list[str] = Field(
        [], max_length=RUNS.most, description="Runs whose gradient on permuted answers is measured."
    )
    count: Annotated[int, COUNT] = Field(
        5, ge=2, le=COUNT.most, description="Permutations of the answers of the gradient batch."
    )
    measured: Annotated[int, CHECKPOINTS] = Field(
        10, ge=2, le=CHECKPOINTS.most, description="Measured checkpoints that the null uses, evenly spaced."
    )
    seed: Seed = Field(0, description="Seed of the permutations.")


class PermutedAnalysis(BasisParams, CouplingParams):
    """What the stage reads."""

    gradient_batch: GradientBatchParams = GradientBatchParams()
    permuted: PermutedParams = PermutedParams()
