"""Loss gradients of selected parameters: a row per task, or a row per example.

Shapes: a row is ``[params]`` in the order of a ParamLayout, a row for each of several examples ``[examples, params]``.

Units: those of the loss per unit of the parameters. Source: the rows of arXiv 2604.25143, equation 4 and section 3.
"""

from collections.abc import Callable, Mapping, Sequence

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
        A loss is not a finite scalar, or depends on none of the layout's parameters, or its gradient is not finite.

    Examples
    --------
    >>> module = nn.Linear(2, 1, bias=False)
    >>> output = module(torch.tensor([3.0, 4.0])).sum()
    >>> task_gradients({"once": output, "twice": 2 * output}, module, ParamLayout.select(module, "weight"))
    {'once': tensor([3., 4.]), 'twice': tensor([6., 8.])}
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
        _require_finite_row(task, rows[task], layout)
    return rows


def _require_finite_row(task: str, row: Float[Tensor, " params"], layout: ParamLayout) -> None:
    if row.sum().isfinite() or row.isfinite().all():  # the sum is faster, and may overflow
        return
    broken = [name for name, part in layout.unflatten(row).items() if not part.isfinite().all()]
    raise ValueError(f"the gradient of task {task!r} is not finite in: {', '.join(broken)}")


LossAt = Callable[..., Tensor]
"""Maps θ ``[params]`` and one example, a tensor for each of its parts, to its loss, a scalar."""


def per_example_gradients(
    loss_at: LossAt, theta: Float[Tensor, " params"], examples: Sequence[Tensor], block: int = 64
) -> Float[Tensor, "examples params"]:
    r"""Gradient :math:`g_i = \nabla_\theta \ell_i(\theta)` of every example's own loss.

    ``examples`` holds a tensor for each part of an example (inputs, targets), examples along the first axis.

    Memory: the result, and what ``block`` examples take: as many rows again, and the activations of a block.

    Raises
    ------
    ValueError
        The parts are of different lengths, or a gradient is not finite.

    Examples
    --------
    >>> inputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> per_example_gradients(lambda theta, x: theta @ x, torch.zeros(2), [inputs]).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    require_equal_lengths(examples)
    gradient = torch.func.vmap(torch.func.grad(loss_at), in_dims=(None, *[0] * len(examples)))
    rows = torch.empty(len(examples[0]), len(theta), dtype=theta.dtype, device=theta.device)
    for start in range(0, len(rows), block):
        rows[start : start + block] = gradient(theta, *(part[start : start + block] for part in examples))
    _require_finite_examples(rows)
    return rows


def _require_finite_examples(rows: Float[Tensor, "examples params"]) -> None:
    if rows.sum().isfinite():
        return
    if len(broken := (~rows.isfinite().all(dim=1)).nonzero()):
        raise ValueError(f"the gradient of example {int(broken[0])} is not finite; look at theta and at the example")


def require_equal_lengths(examples: Sequence[Tensor]) -> None:
    """Refuse parts of examples that do not belong together.

    Raises
    ------
    ValueError
        There is no part, or the parts are of different lengths.

    Examples
    --------
    >>> require_equal_lengths([torch.zeros(3, 2), torch.zeros(2)])
    Traceback (most recent call last):
    ValueError: every part of the examples must have the same length, got [3, 2]
    """
    lengths = [len(part) for part in examples]
    if len(set(lengths)) != 1:
        raise ValueError(f"every part of the examples must have the same length, got {lengths}")
