"""The first step of a training whose loss or gradient is not finite: remembered on the device, and reported by name.

Shapes: a batch is ``[batch]``, numbers of training pairs.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sedlib.base.errors import UserError

NAMED = 3
"""Parameters that a message names; it counts the others."""


class TrainingDivergedError(UserError):
    """A loss or a gradient is no longer finite."""


class BrokenStep:
    """Whether a step was broken, and the batch of the first one.

    The device is never waited for, so that steps can be recorded as a graph. ``found`` is what the fused AdamW reads
    to leave out a move: from the first broken step on the network stays as the last sound step left it.
    """

    def __init__(self, batch: Int64[Tensor, " batch"]) -> None:
        self.found = torch.zeros((), device=batch.device)
        """1 from the first broken step on, else 0."""
        self.batch = torch.zeros_like(batch)

    def look(self, number: Float[Tensor, ""], batch: Int64[Tensor, " batch"]) -> None:
        """Take note of a step with ``batch``, broken if ``number`` is not finite."""
        self.batch.copy_(torch.where(self.found.bool(), self.batch, batch))
        torch.maximum(self.found, (~number.isfinite()).float(), out=self.found)


def what_is_not_finite(
    losses: Mapping[str, Tensor], parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
) -> str:
    """The losses, and the parameters whose values or gradients are not finite, in words."""
    found = [f"the loss of {op} is {float(loss)}" for op, loss in losses.items() if not loss.isfinite()]
    for what, tensors in (("parameter", parameters), ("gradient of", gradients)):
        names = [repr(name) for name, tensor in tensors.items() if not tensor.isfinite().all()]
        if names:
            others = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
            found.append(f"not finite: {what} {', '.join(names[:NAMED])}{others}")
    if not found:
        largest = max(gradients, key=lambda name: float(gradients[name].abs().max()))
        found.append(f"the norm of the gradient overflows, which is largest in {largest!r}")
    return "; ".join(found)
