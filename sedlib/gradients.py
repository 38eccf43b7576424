"""Loss gradients of selected parameters, one row per task.

Shapes: a row is ``[params]`` in the order of a ParamLayout.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.vectors import ParamLayout


def task_gradients(
    losses: Mapping[str, Float[Tensor, ""]], module: nn.Module, layout: ParamLayout
) -> dict[str, Float[Tensor, " params"]]:
    r"""Gradient :math:`g^{(o)} = \nabla_\theta L_o` of every task's loss, from the graph the losses share.

    The tasks' losses may come from one forward pass through a shared trunk: only the backward pass is
    repeated per task, and only as far down as the layout's parameters. A parameter that a loss does not depend
    on (another task's head) has gradient zero there. The graph is freed.

    Raises
    ------
    ValueError
        A loss is not a finite scalar, or depends on none of the layout's parameters.
    """
    parameters = layout.of(module)
    rows = {}
    remaining = len(losses)
    for task, loss in losses.items():
        if loss.ndim or not torch.isfinite(loss):
            raise ValueError(f"the loss of task {task!r} must be a finite scalar, got {loss}")
        remaining -= 1
        try:
            gradients = torch.autograd.grad(
                loss, list(parameters.values()), retain_graph=remaining > 0, allow_unused=True
            )
        except RuntimeError as error:
            raise ValueError(f"the loss of task {task!r} cannot be differentiated: {error}") from error
        if all(gradient is None for gradient in gradients):
            raise ValueError(f"the loss of task {task!r} depends on none of: {', '.join(layout.names)}")
        rows[task] = layout.flatten(
            {
                name: torch.zeros_like(parameter) if gradient is None else gradient
                for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
            }
        )
    return rows
