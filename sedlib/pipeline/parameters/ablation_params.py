"""The axes along which the diagnostic is ablated: one parameter each, the others as params.yaml has them."""

import copy
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.coupling_params import CouplingParams
from sedlib.pipeline.parameters.limits import RUNS, VALUES
from sedlib.pipeline.parameters.row_params import GradientBatchParams, Pool
from sedlib.pipeline.parameters.sections import Model, Section
from sedlib.pipeline.parameters.value_types import Examples, Seed, Window


class Axis(NamedTuple):
    """What an axis changes."""

    parameter: str
    """Dotted key in params.yaml."""
    only_the_basis: bool
    """Whether responses along any given direction, and so the random baseline, stay what they are."""
    needs_checkpoints: bool = False
    """Whether rows are taken anew, for which every checkpoint is needed."""


AXES = {
    "window": Axis("window", True),
    "rank": Axis("rank", True),
    "alignment": Axis("alignment", True),
    "batch_size": Axis("gradient_batch.size", True, needs_checkpoints=True),
    "batch_seed": Axis("gradient_batch.seed", True, needs_checkpoints=True),
    "batch_pairs": Axis("gradient_batch.pairs", True, needs_checkpoints=True),
    "epsilon": Axis("response.epsilon", False),
    "response": Axis("response.kind", False),
    "probe_seed": Axis("probes.seed", False),
    "probe_count": Axis("probes.count", False),
    "centroid": Axis("centroid", False),
}


class AblationParams(Section):
    """Values of each axis."""

    runs: list[str] = Field([], max_length=RUNS.most, description="Runs whose gradient bases are ablated.")
    window: list[Window] = Field(
        [], max_length=VALUES.most, description="Values of window; rank is lowered to a shorter one."
    )
    rank: list[Window] = Field(
        [], max_length=VALUES.most, description="Values of rank; one beyond window lengthens it."
    )
    alignment: list[Literal["trailing", "forward"]] = Field(
        [], max_length=VALUES.most, description="Values of alignment."
    )
    batch_size: list[Examples] = Field([], max_length=VALUES.most, description="Values of gradient_batch.size.")
    batch_seed: list[Seed] = Field([], max_length=VALUES.most, description="Values of gradient_batch.seed.")
    batch_pairs: list[Pool] = Field([], max_length=VALUES.most, description="Values of gradient_batch.pairs.")
    epsilon: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [], max_length=VALUES.most, description="Values of response.epsilon."
    )
    response: list[Literal["difference", "jvp"]] = Field(
        [], max_length=VALUES.most, description="Values of response.kind."
    )
    probe_seed: list[Seed] = Field([], max_length=VALUES.most, description="Values of probes.seed.")
    probe_count: list[Examples] = Field([], max_length=VALUES.most, description="Values of probes.count.")
    centroid: list[str] = Field([], max_length=VALUES.most, description="Values of centroid.")


class AnalysisParams(BasisParams, CouplingParams):
    """What the ablations read of params.yaml: the parameters that axes change, one at a time, and the axes' values."""

    gradient_batch: GradientBatchParams = GradientBatchParams()
    ablation: AblationParams = AblationParams()

    def varied(self: Model, axis: str, value: Any) -> Model:
        """These parameters with one axis of the ablation changed, and nothing ablated further.

        A rank beyond the window lengthens the window. A value of ε makes the response a difference.
        """
        changed = {**copy.deepcopy(self.model_dump()), "ablation": {}}
        *sections, key = AXES[axis].parameter.split(".")
        section = changed
        for name in sections:
            section = section[name]
        section[key] = value
        if axis == "epsilon":
            changed["response"]["kind"] = "difference"
        if axis == "rank":
            changed["window"] = max(changed["window"], value)
        return type(self).model_validate(changed)
