"""Loss gradients of selected parameters: a row per task, or a row per example.

Shapes: a row is ``[params]`` in the order of a ParamLayout, a row for each of several examples ``[examples, params]``.

Units: those of the loss per unit of the parameters. Source: the rows of arXiv 2604.25143, equation 4 and section 3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.errors import listed, quoted
from sedlib.models.checkpoint import Checkpoint
from sedlib.vectors import ParamLayout

CUT = "look for detach, no_grad or re-entrant checkpointing (use_reentrant=True) in the network, which cut a loss off"
Losses = Callable[..., Mapping[str, Any]]
"""``losses(module)``, or ``losses(module, batch)``: each task's loss by name, a mean, or a sum with its count."""


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
    (another task's head) has gradient zero there; one that is frozen has its gradient. ``check`` computes the first
    losses twice.

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
    if not callable(losses):
        raise ValueError(
            f"losses: expected a function of the module, which is in eval while it is called, got "
            f"{type(losses).__name__}; give lambda module: {{name: loss, …}}, not losses computed before"
        )
    checkpoint = Checkpoint(module, layout, state)
    rows: dict[str, Tensor] = {}
    counts: dict[str, float] = {}
    for arguments in [()] if batches is None else ((batch,) for batch in batches):
        found = _Backward(losses, checkpoint, by_count=batches is not None, check=check and not rows).rows(*arguments)
        for task, (row, count) in found.items():
            rows[task] = rows[task].add_(row) if task in rows else row
            counts[task] = counts.get(task, 0) + count
    if not rows:
        raise ValueError("losses: there is none, so no gradient; is the loader empty?")
    return {task: row if counts[task] == 1 else row / counts[task] for task, row in rows.items()}


@dataclass(frozen=True)
class _Backward:
    """One forward pass, and a backward pass for each task."""

    losses: Losses
    checkpoint: Checkpoint
    by_count: bool
    """Whether losses must be pairs of a sum and its count."""
    check: bool

    def rows(self, *arguments: Any) -> dict[str, tuple[Float[Tensor, " params"], float]]:
        """Each task's gradient, of a mean or of a sum over the count beside it."""
        theta = self.checkpoint.theta.detach().requires_grad_()

        def measured(module: nn.Module) -> dict[str, tuple[Float[Tensor, " params"], float]]:
            found = _pairs(self.losses(module, *arguments), by_count=self.by_count)
            if self.check:
                _require_repeated(found, _pairs(self.losses(module, *arguments), by_count=self.by_count))
            last = list(found)[-1]
            return {
                task: (self._gradient(task, loss, theta, is_last=task == last), count)
                for task, (loss, count) in found.items()
            }

        return self.checkpoint.at(measured, theta)()  # backward inside too: activations may be computed again

    def _gradient(self, task: str, loss: Tensor, theta: Tensor, *, is_last: bool) -> Float[Tensor, " params"]:
        try:
            (gradient,) = torch.autograd.grad(loss, theta, retain_graph=not is_last) if loss.requires_grad else (None,)
        except RuntimeError as error:
            raise ValueError(f"the loss of task {task!r} cannot be differentiated: {error}; {CUT}") from error
        if gradient is None:
            raise ValueError(
                f"the loss of task {task!r} depends on none of: {listed(self.checkpoint.layout.names)}; choose slots "
                f"that it depends on, or {CUT}"
            )
        _require_finite_row(task, gradient, self.checkpoint.layout)
        return gradient


def _pairs(losses: Mapping[str, Any], *, by_count: bool) -> dict[str, tuple[Tensor, float]]:
    if not isinstance(losses, Mapping) or not losses:
        raise ValueError(f"losses: expected {{name: loss, …}} of the function, got {type(losses).__name__} without one")
    return {task: _pair(task, loss, by_count=by_count) for task, loss in losses.items()}


def _pair(task: str, loss: Any, *, by_count: bool) -> tuple[Tensor, float]:
    if by_count and not isinstance(loss, tuple):
        raise ValueError(
            f"the loss of task {task!r} must be a pair of a sum and its count where there are batches, got one value: "
            "means over batches of different numbers of tokens do not add up to the mean"
        )
    total, count = loss if isinstance(loss, tuple) else (loss, 1.0)
    if not isinstance(total, Tensor) or total.ndim or not torch.isfinite(total):
        shown = f"shape {tuple(total.shape)}" if isinstance(total, Tensor) and total.ndim else quoted(total)
        raise ValueError(f"the loss of task {task!r} must be a finite scalar, got {shown}")
    if not 0 < (number := float(count)) < float("inf"):
        raise ValueError(f"the count of task {task!r} must be positive, got {number}: a batch without targets")
    return total, number


def _require_repeated(first: Mapping[str, tuple[Tensor, float]], second: Mapping[str, tuple[Tensor, float]]) -> None:
    for task, (loss, _) in first.items():
        if task not in second or not torch.equal(loss, second[task][0]):
            values = (
                [float(value.detach()) for value in (loss, second[task][0])] if task in second else ["given", "not"]
            )
            raise ValueError(
                f"the loss of task {task!r} is {values[0]} and then {values[1]} at the same parameters: let it use the "
                "module that it is given, on a fixed batch, and draw no random numbers"
            )


def _require_finite_row(task: str, row: Float[Tensor, " params"], layout: ParamLayout) -> None:
    if row.sum().isfinite() or row.isfinite().all():  # the sum is faster, and may overflow
        return
    broken = [name for name, part in layout.unflatten(row).items() if not part.isfinite().all()]
    raise ValueError(f"the gradient of task {task!r} is not finite in: {listed(broken)}")


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
