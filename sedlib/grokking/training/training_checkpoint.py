"""A checkpoint of a training run, as the loop yields it.

Shapes: vectors are ``[params]``, the attention slots.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sedlib.grokking.network.evaluation import Readouts
from sedlib.grokking.network.model import GrokkingTransformer


@dataclass(frozen=True)
class Checkpoint:
    """The network at a checkpoint. ``model`` is live: copy what is to be kept."""

    step: int
    model: GrokkingTransformer
    exp_avg: Float[Tensor, " params"]
    exp_avg_sq: Float[Tensor, " params"]
    readouts: list[Readouts]
    intervention: dict[str, float | None]
    """Readouts of the intervention over the steps since the last checkpoint."""

    @property
    def moments(self) -> dict[str, Float[Tensor, " params"]]:
        """AdamW's, by its own names."""
        return {"exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}
