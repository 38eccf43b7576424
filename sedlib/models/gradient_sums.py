"""Gradients of each task's loss as sums over what is counted, so that batches and processes add up.

Shapes: a row is ``[params]`` in the order of a ParamLayout. Units: those of the loss per unit of the parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.border.kinds import require_function, wrong_kind
from sedlib.base.border.returned import require_scalar
from sedlib.base.errors import in_one_line, listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.refusals.cut_derivatives import without_derivative
from sedlib.models.trials.derivatives import backward_error, warn_of_slopes
from sedlib.models.trials.leftovers import find_leftovers
from sedlib.models.trials.own_eval import find_flags
from sedlib.models.trials.plain_errors import told_plainly
from sedlib.models.trials.purity import require_pure
from sedlib.vectors import ParamLayout

CUT = "look for what cuts it off: detach, no_grad, item, re-entrant checkpointing (use_reentrant=True)"
Losses = Callable[..., Mapping[str, Any]]
"""``losses(module)``, or ``losses(module, batch)``: each task's loss by name, a mean, or a sum with its count."""


@dataclass(frozen=True)
class GradientSum:
    """Gradient of a sum of losses, and the number of what is summed; a mean has the count 1."""

    row: Float[Tensor, " params"]
    count: float

    def mean(self) -> Float[Tensor, " params"]:
        """Gradient of the mean."""
        return self.row if self.count == 1 else self.row / self.count


def gradient_sums(
    losses: Losses,
    checkpoint: Checkpoint,
    batches: Iterable[Any] | None = None,
    *,
    check: bool = True,
    refuse_broken: bool = False,
) -> dict[str, GradientSum]:
    """Each task's gradient summed over the batches; none where there is no batch.

    A row that is not finite is given as it is unless ``refuse_broken``.

    Raises
    ------
    ValueError
        As ``task_gradients`` does.

    Examples
    --------
    >>> module = nn.Linear(2, 1, bias=False)
    >>> checkpoint = Checkpoint(module, ParamLayout.select(module, "weight"))
    >>> def losses(module, batch):
    ...     return {"output": (module(batch).sum(), len(batch))}
    >>> gradient_sums(losses, checkpoint, [torch.ones(3, 2), 5 * torch.ones(1, 2)])
    {'output': GradientSum(row=tensor([8., 8.]), count=4.0)}
    """
    require_function("losses", losses, "module" if batches is None else "module, batch")
    sums: dict[str, GradientSum] = {}
    for arguments in arguments_of(batches):
        backward = _Backward(losses, checkpoint, by_count=batches is not None, refuse_broken=refuse_broken)
        if check and not sums:
            backward = replace(backward, checkpoint=(checkpoint := backward.tried_out(*arguments)))
        for task, found in backward.sums(*arguments).items():
            before = sums.get(task)
            sums[task] = GradientSum(before.row.add_(found.row), before.count + found.count) if before else found
    return sums


def arguments_of(batches: Iterable[Any] | None) -> Iterable[tuple[Any, ...]]:
    """What ``losses`` is called with beside the module, once for each batch, or once without one.

    Examples
    --------
    >>> list(arguments_of(None)), list(arguments_of([3, 4]))
    ([()], [(3,), (4,)])
    """
    return [()] if batches is None else ((batch,) for batch in batches)


@dataclass(frozen=True)
class _Backward:
    """One forward pass, and a backward pass for each task."""

    losses: Losses
    checkpoint: Checkpoint
    by_count: bool
    """Whether losses must be pairs of a sum and its count."""
    refuse_broken: bool

    def sums(self, *arguments: Any) -> dict[str, GradientSum]:
        """Each task's gradient, of a mean or of a sum over the count beside it."""
        theta = self.checkpoint.theta.detach().requires_grad_()

        def measured(module: nn.Module) -> dict[str, GradientSum]:
            found = self._pairs(module, *arguments)
            last = list(found)[-1]
            return {
                task: GradientSum(self._gradient(task, loss, theta, is_last=task == last), count)
                for task, (loss, count) in found.items()
            }

        return self.checkpoint.at(measured, theta)()  # backward inside too: activations may be computed again

    def _pairs(self, module: nn.Module, *arguments: Any) -> dict[str, tuple[Tensor, float]]:
        return loss_pairs(self.losses(module, *arguments), by_count=self.by_count, refuse_broken=self.refuse_broken)

    def tried_out(self, *arguments: Any) -> Checkpoint:
        """The checkpoint, to be measured without what the network kept from earlier calls."""

        def totals(module: nn.Module) -> dict[str, Tensor]:
            pairs = self._pairs(module, *arguments)
            return {f"the loss of task {task!r}": total for task, (total, _) in pairs.items()}

        def values(theta: Tensor, finish: Callable[[Tensor], Any]) -> Any:
            return checkpoint.at(lambda module: finish(torch.stack(list(totals(module).values()))), theta)()

        with told_plainly("losses"):
            checkpoint = self.checkpoint.changed(find_flags(self.checkpoint.module))
            checkpoint = checkpoint.changed(find_leftovers(checkpoint, totals))
            require_pure(checkpoint, totals)
            off = backward_error(values, checkpoint.theta)
        if off is not None and off[0]:  # where it is zero, nothing is reached, which is refused below
            warn_of_slopes("losses", off)
        return checkpoint

    def _gradient(self, task: str, loss: Tensor, theta: Tensor, *, is_last: bool) -> Float[Tensor, " params"]:
        gradient = None
        try:
            if loss.requires_grad:
                (gradient,) = torch.autograd.grad(loss, theta, retain_graph=not is_last, allow_unused=True)
        except RuntimeError as error:
            if "sparse" in str(error).lower():  # said with the name of the module, by the checkpoint
                raise
            reason = in_one_line(str(error).partition("\n")[0])
            raise ValueError(
                f"the loss of task {task!r} cannot be differentiated: {reason}; let the function leave backward to "
                "task_gradients"
            ) from error
        if gradient is None:
            cut = without_derivative(self.checkpoint.module)
            raise ValueError(
                f"the loss of task {task!r} has no gradient in: {listed(self.checkpoint.layout.names)}; choose slots "
                f"that it depends on, let it use the module that it is given, and {CUT}"
                f"{f', the quantised {listed(cut)}' if cut else ''}"
            )
        if self.refuse_broken and (broken := broken_slots(gradient, self.checkpoint.layout)):
            raise ValueError(f"the gradient of task {task!r} is not finite in: {listed(broken)}")
        return gradient


def loss_pairs(losses: Any, *, by_count: bool, refuse_broken: bool) -> dict[str, tuple[Tensor, float]]:
    """Each task's loss with its count, checked.

    Raises
    ------
    ValueError
        There is no loss; one is no scalar, not finite where that is refused, or a mean where it must have a count.

    Examples
    --------
    >>> loss_pairs({"sum": (torch.tensor(6.0), 3)}, by_count=True, refuse_broken=True)
    {'sum': (tensor(6.), 3.0)}
    """
    if not isinstance(losses, Mapping):
        raise wrong_kind("losses", "{name: loss, …} of the function", losses)
    if not losses:
        raise ValueError("losses: expected {name: loss, …} of the function, got none")
    return {task: _pair(task, loss, by_count, refuse_broken) for task, loss in losses.items()}


def _pair(task: str, loss: Any, by_count: bool, refuse_broken: bool) -> tuple[Tensor, float]:
    if by_count and not isinstance(loss, tuple):
        raise ValueError(
            f"the loss of task {task!r} must be a pair of a sum and its count if there are batches, got one value: "
            "means over batches of different numbers of tokens do not add up to the mean"
        )
    total, count = loss if isinstance(loss, tuple) and len(loss) == 2 else (loss, 1.0)
    if isinstance(loss, tuple) and len(loss) != 2:
        raise ValueError(f"the loss of task {task!r} must be a loss, or a pair of a sum and its count, got {len(loss)}")
    require_scalar(f"the loss of task {task!r}", total)
    if refuse_broken and not torch.isfinite(total):
        raise ValueError(f"the loss of task {task!r} must be a finite scalar, got {float(total.detach())}")
    if isinstance(count, Tensor) and (count.numel() != 1 or count.requires_grad):
        raise ValueError(
            f"the loss of task {task!r} must be one value, or a pair of a sum and its count, got a pair with a tensor "
            f"of shape {tuple(count.shape)}{' that depends on parameters' * count.requires_grad}; add losses up, or "
            "give each a name"
        )
    try:
        number = float(count)
    except (TypeError, ValueError):
        raise wrong_kind(f"the count of task {task!r}", "a number", count) from None
    if not 0 < number < float("inf"):
        raise ValueError(f"the count of task {task!r} must be positive, got {number}: a batch without targets")
    return total, number


def require_repeated(first: Mapping[str, tuple[Tensor, float]], second: Mapping[str, tuple[Tensor, float]]) -> None:
    """Refuse losses that differ between two evaluations at the same parameters; NaN twice is the same.

    Raises
    ------
    ValueError
        One does; the message names it.

    Examples
    --------
    >>> require_repeated({"a": (torch.tensor(1.0), 1.0)}, {"a": (torch.tensor(2.0), 1.0)})
    Traceback (most recent call last):
    ValueError: the loss of task 'a' is 1.0 and then 2.0 at the same parameters: ...
    """
    for task, (loss, _) in first.items():
        if task not in second or not torch.equal(loss.nan_to_num(), second[task][0].nan_to_num()):
            values = (
                [float(value.detach()) for value in (loss, second[task][0])] if task in second else ["given", "not"]
            )
            raise ValueError(
                f"the loss of task {task!r} is {values[0]} and then {values[1]} at the same parameters: let it use the "
                "module that it is given, on a fixed batch, and draw no random numbers"
            )


def broken_slots(row: Float[Tensor, " params"], layout: ParamLayout) -> list[str]:
    """Names of the slots in which a row is not finite.

    Examples
    --------
    >>> layout = ParamLayout(("weight", "bias"), ((2, 1), (1,)))
    >>> broken_slots(torch.tensor([1.0, 2.0, float("nan")]), layout)
    ['bias']
    """
    if row.sum().isfinite():  # faster than the exact test, and may overflow
        return []
    parts = row.split(layout.sizes)
    return [name for name, part in zip(layout.names, parts, strict=True) if not part.isfinite().all()]
