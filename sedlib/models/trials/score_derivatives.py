"""Whether scores have the derivatives that autograd gives: by h, which is the centroid, and by the slots.

Shapes: as in sedlib.models.probes. Units: slopes are in the unit of the scores per unit of the direction. Source: the
definition of a derivative.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.models.trials.derivatives import OTHER, backward_error, forward_error


def require_gradients(checkpoint: Checkpoint, probes: Probes) -> None:
    """Refuse scores whose gradient by h, which the centroid is, is not their derivative.

    Raises
    ------
    ValueError
        It is not; the message has both slopes.
    """
    h = checkpoint.at(probes.embedded)().detach()

    def by_inputs(flat: Tensor, finish: Callable[[Tensor], Any]) -> Any:
        return checkpoint.at(lambda module, h: finish(probes.scored(module, h)))(flat.view_as(h))

    off = backward_error(by_inputs, h.flatten())
    if off is not None:
        raise ValueError(
            f"scores: along one direction of the embedded inputs autograd gives the slope {off[0]:.4g}, and a "
            f"difference {off[1]:.4g}: {OTHER}"
        )


def without_forward_mode(checkpoint: Checkpoint, probes: Probes) -> str:
    """Why forward mode does not give the derivative of the scores by the slots; empty where it does."""

    def by_slots(theta: Tensor, finish: Callable[[Tensor], Any]) -> Any:
        return checkpoint.at(lambda module: finish(probes.scored(module, probes.embedded(module))), theta)()

    off = forward_error(by_slots, checkpoint.theta)
    if off is None:
        return ""
    return (
        f"along one direction of the slots forward mode gives the slope {off[0]:.4g} of the scores, and a difference "
        f"{off[1]:.4g}: {OTHER}, or a kink near by; or take sedlib.central_difference"
    )
