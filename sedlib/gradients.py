"""Loss gradients of selected parameters: a row per task, or a row per example.

Shapes: a row is ``[params]`` in the order of a ParamLayout, a row for each of several examples ``[examples, params]``.

Units: those of the loss per unit of the parameters. Source: the rows of arXiv 2604.25143, equation 4 and section 3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import wrong_kind
from sedlib.base.border.returned import scalar_loss
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.gradient_sums import Losses, gradient_sums
from sedlib.models.refusals.explained import explained
from sedlib.models.trials.dependence import require_dependence
from sedlib.vectors import ParamLayout

FUNCTION = "give lambda module: {name: loss, …}, not losses computed before"


@checked(
    losses=f"the module is in eval while it is called: {FUNCTION}",
    batches="a list or a loader of batches",
    layout="ParamLayout.select(module, …) makes one",
)
def task_gradients(
    losses: Losses,
    module: nn.Module,
    layout: ParamLayout,
    *,
    batches: Iterable[Any] | None = None,
    state: Mapping[str, Any] | None = None,
    check: bool = True,
) -> dict[str, Float[Tensor, " params"]]:
    r"""Gradient :math:`g^{(o)} = \nabla_\theta L_o` of every task's loss, at the module's values or those of ``state``.

    ``losses`` is called with the module in eval, without autocast, its tensors of 16 bits in float32; the module stays
    as it is. The tasks' losses may come from one forward pass through a shared trunk: only the backward pass is
    repeated per task, and only as far down as the layout's parameters. A parameter that a loss does not depend on
    (another task's head) has gradient zero in this loss; a frozen parameter has its gradient. ``check`` tries the first
    losses, which takes about eight forward passes: a second call must give the same losses, and the losses must depend
    on this checkpoint alone. If autograd's slope differs from the slope of a difference (straight-through estimators, a
    re-entrant checkpoint that cuts a part off) it warns.

    Over ``batches`` a loss is a pair, the sum over what is counted (examples, tokens) and their number:
    :math:`g = \nabla \sum_b S_b / \sum_b n_b`, to which a batch of fewer tokens gives less.

    Memory: the module, a row for each task and two more, and the graph of one batch.

    Raises
    ------
    ValueError
        A loss is not a finite scalar, cannot be differentiated, or depends on none of the layout's parameters; its
        gradient is not finite; two evaluations differ; there is none; or it is a mean where there are batches.

    Examples
    --------
    >>> module = nn.Linear(2, 1, bias=False)
    >>> layout = ParamLayout.select(module, "weight")
    >>> def losses(module):
    ...     output = module(torch.tensor([3.0, 4.0])).sum()
    ...     return {"once": output, "twice": 2 * output}
    >>> task_gradients(losses, module, layout)
    {'once': tensor([3., 4.]), 'twice': tensor([6., 8.])}

    The mean over all examples of a loader, whose last batch is smaller:

    >>> def losses(module, batch):
    ...     return {"output": (module(batch).sum(), len(batch))}
    >>> task_gradients(losses, module, layout, batches=[torch.ones(3, 2), 5 * torch.ones(1, 2)])
    {'output': tensor([2., 2.])}
    """
    sums = gradient_sums(losses, Checkpoint(module, layout, state), batches, check=check, refuse_broken=True)
    if not sums:
        raise ValueError("losses: expected at least one, got none; is the loader empty?")
    return {task: found.mean() for task, found in sums.items()}


LossAt = Callable[..., Tensor]
"""Maps θ ``[params]`` and one example, a tensor for each of its parts, to its loss, a scalar."""


@checked(theta="take checkpoint.theta", examples="a list with a tensor for each part of an example")
def per_example_gradients(
    loss_at: LossAt, theta: Float[Tensor, " params"], examples: Sequence[Tensor], block: int = 64
) -> Float[Tensor, "examples params"]:
    r"""Gradient :math:`g_i = \nabla_\theta \ell_i(\theta)` of every example's own loss.

    ``examples`` holds a tensor for each part of an example (inputs, targets), examples along the first axis.

    Memory: the result, and what ``block`` examples take: as many rows again, and the activations of a block.

    Raises
    ------
    ValueError
        The parts are of different lengths, there is no example, or ``block`` is less than 1; the loss of an example is
        no real scalar, does not depend on θ, or PyTorch cannot differentiate it; or a gradient is not finite.

    Examples
    --------
    >>> inputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> per_example_gradients(lambda theta, x: theta @ x, torch.zeros(2), [inputs]).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    require_equal_lengths(examples)
    if block < 1:
        raise ValueError(f"block: expected at least one example at once, got {block}")
    loss_at = scalar_loss(loss_at)
    gradient = torch.func.vmap(torch.func.grad(loss_at), in_dims=(None, *[0] * len(examples)))
    rows = torch.empty(len(examples[0]), len(theta), dtype=theta.dtype, device=theta.device)
    with explained(theta):
        require_dependence(loss_at, theta, examples)
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
    """Refuse parts of examples of different lengths.

    Raises
    ------
    ValueError
        There is no part, the parts are of different lengths, or there is no example.

    Examples
    --------
    >>> require_equal_lengths([torch.zeros(3, 2), torch.zeros(2)])
    Traceback (most recent call last):
    ValueError: every part of the examples must have the same length, got [3, 2]
    """
    for number, part in enumerate(examples):
        if not isinstance(part, Tensor) or not part.ndim:
            raise wrong_kind(f"examples[{number}]", "a tensor [examples, ...]", part, "torch.as_tensor makes one")
    lengths = [len(part) for part in examples]
    if len(set(lengths)) != 1:
        raise ValueError(f"every part of the examples must have the same length, got {lengths}")
    if not lengths[0]:
        raise ValueError("examples: expected at least one, got none")
