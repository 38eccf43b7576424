"""Cross-entropy of a run's operations.

Shapes: logits are ``[tasks, pairs, p]``.
"""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from sedlib.grokking.network.model import GrokkingTransformer


def task_losses(
    model: GrokkingTransformer, pairs: Int64[Tensor, "batch 2"], answers: Int64[Tensor, "tasks batch"]
) -> Float[Tensor, " tasks"]:
    """Mean cross-entropy of every operation from one forward pass."""
    return pair_losses(model.logits(pairs), answers).mean(-1)


def pair_losses(
    logits: Float[Tensor, "tasks batch p"], answers: Int64[Tensor, "tasks batch"]
) -> Float[Tensor, "tasks batch"]:
    """Cross-entropy of each pair; flattened, as the kernel for three axes is not deterministic on CUDA."""
    return F.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none").view_as(answers)
