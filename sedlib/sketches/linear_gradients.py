"""Gradient rows of linear layers, captured while a network runs as what the layers read and what flows back to them.

Shapes: a row is ``[params]``. Units: those of the loss per unit of the parameters.

Source: ``sedlib.sketches.linear_gram``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sedlib.base.border.checked import checked
from sedlib.base.errors import listed
from sedlib.base.finite import require_finite
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.trials.purity import require_pure
from sedlib.sketches.linear_gram import FactoredRow, LinearFactors, factors_are_fewer
from sedlib.vectors import ParamLayout

SAME = 1e-3
"""How far the gradient of factors may be from PyTorch's, as a share of its norm: more than rounding is a fault."""
Calls = dict[str, list[tuple[Tensor, Tensor]]]
"""What each weight's layers read, and what they gave, call after call."""


@checked(losses="give lambda module: {name: loss, …}", layout="ParamLayout.select(module, …) makes one")
def factored_gradients(
    losses: Callable[[nn.Module], Mapping[str, Tensor]],
    module: nn.Module,
    layout: ParamLayout,
    state: Mapping[str, Any] | None = None,
    *,
    check: bool = True,
) -> dict[str, FactoredRow]:
    """Gradient of every task's loss by the weights of ``nn.Linear`` layers, from one forward pass.

    As ``task_gradients`` measures it: in eval, 16 bits in float32, at the module's values or those of ``state``. A loss
    is a mean over all its tokens, of one batch: where factors are smaller, there are few. ``check`` calls the losses
    twice more, which must be the same and depend on this checkpoint alone, and holds the gradient of each weight
    against PyTorch's, which finds weights that are used without a call of their layer.

    Memory: the module, the graph, and the outputs of the layers once more; with ``check`` a row.

    Raises
    ------
    ValueError
        The layout holds something else than whole weights of ``nn.Linear``; a loss is no finite real scalar, or depends
        on none of the weights; a gradient is not finite, or not the one that PyTorch finds; or two evaluations differ.

    Examples
    --------
    >>> module = nn.Linear(3, 2, bias=False)
    >>> layout = ParamLayout.select(module, "weight")
    >>> tokens = torch.tensor([[1.0, 2.0, 0.0]])
    >>> rows = factored_gradients(lambda module: {"sum": module(tokens).sum()}, module, layout)
    >>> rows["sum"].vector(), rows["sum"].numbers, rows["sum"].product(rows["sum"])
    (tensor([1., 2., 0., 1., 2., 0.]), 5, 10.0)
    """
    layers = _layers(module, layout)
    checkpoint = Checkpoint(module, layout, state)
    theta = checkpoint.theta.detach().requires_grad_()

    def measured(module: nn.Module) -> dict[str, FactoredRow]:
        with _calls(layers) as calls:
            found = losses(module)
        _require_scalars(found, with_gradient=True)
        if not any(calls.values()):
            raise ValueError(f"losses: none of the layers of {listed(layout.names)} was called")
        last = list(found)[-1]
        return {task: row(task, loss, calls, task == last) for task, loss in found.items()}

    def row(task: str, loss: Tensor, calls: Calls, is_last: bool) -> FactoredRow:
        outputs = [output for some in calls.values() for _, output in some]
        wanted = [*outputs, theta] if check else outputs
        found = torch.autograd.grad(loss, wanted, retain_graph=not is_last, allow_unused=True)
        if all(gradient is None for gradient in found):
            raise ValueError(f"the loss of task {task!r} depends on none of the weights of {listed(layout.names)}")
        gradients = iter(found)
        empty = [theta.new_zeros(0, *shape) for shape in layout.shapes]
        parts = [_part(nothing, calls[name], gradients) for name, nothing in zip(layout.names, empty, strict=True)]
        _require_finite(task, layout, parts)
        if check:
            _require_same(task, layout, parts, next(gradients))
        return FactoredRow(layout.names, tuple(parts))

    def tried(module: nn.Module) -> dict[str, Tensor]:
        _require_scalars(found := losses(module), with_gradient=False)
        return {f"the loss of task {task!r}": loss for task, loss in found.items()}

    if check:
        require_pure(checkpoint, tried)
    return checkpoint.at(measured, theta)()


def _layers(module: nn.Module, layout: ParamLayout) -> dict[str, list[nn.Linear]]:
    """The layers of each weight: of a tied one there are several."""
    found: dict[str, list[nn.Linear]] = {}
    for name, weight in layout.of(module).items():
        users = [some for some in module.modules() if any(p is weight for p in some.parameters(recurse=False))]
        found[name] = [some for some in users if isinstance(some, nn.Linear) and some.weight is weight]
        if len(found[name]) < len(users):
            other = next(some for some in users if some not in found[name])
            raise ValueError(
                f"layout: expected weights of nn.Linear layers, got {name!r}, which {type(other).__name__} uses; "
                "choose with ParamLayout.select, or use task_gradients"
            )
    return found


@contextmanager
def _calls(layers: Mapping[str, list[nn.Linear]]) -> Iterator[Calls]:
    """Input and output of every call of the layers inside; the network goes on with a copy, which it may change."""
    calls: Calls = {name: [] for name in layers}

    def recording(name: str) -> Callable[..., Tensor]:
        def record(_: nn.Module, args: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor) -> Tensor:
            read = args[0] if args else named["input"]
            calls[name].append((read.detach().reshape(-1, read.shape[-1]), output))
            return output.clone()

        return record

    handles = [
        layer.register_forward_hook(recording(name), with_kwargs=True)
        for name, some in layers.items()
        for layer in some
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _part(
    nothing: Tensor, calls: list[tuple[Tensor, Tensor]], gradients: Iterator[Tensor | None]
) -> LinearFactors | Tensor:
    """The smaller form of a weight's gradient, from the loss's gradients by what its layers gave; None is zero."""
    pairs = [(read, delta) for (read, _), delta in zip(calls, gradients, strict=False) if delta is not None]
    outputs, inputs = nothing.shape[1:]
    read = torch.cat([nothing[:, 0], *(read for read, _ in pairs)])
    deltas = torch.cat([nothing[:, :, 0], *(delta.reshape(-1, outputs) for _, delta in pairs)])
    factors = LinearFactors(read, deltas)
    return factors if factors_are_fewer(len(read), inputs, outputs) else factors.gradient


def _require_scalars(losses: Any, *, with_gradient: bool) -> None:
    if not isinstance(losses, Mapping) or not losses:
        raise ValueError(f"losses: expected {{name: loss, …}} of the module, got {type(losses).__name__}")
    for task, loss in losses.items():
        is_real = isinstance(loss, Tensor) and not loss.ndim and loss.is_floating_point()
        if not is_real or not torch.isfinite(loss) or (with_gradient and not loss.requires_grad):
            shown = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) and loss.ndim else repr(loss)[:80]
            raise ValueError(
                f"the loss of task {task!r} must be a finite scalar that depends on the weights, got {shown}"
            )


def _require_finite(task: str, layout: ParamLayout, parts: Sequence[LinearFactors | Tensor]) -> None:
    for name, part in zip(layout.names, parts, strict=True):
        for values in [part] if isinstance(part, Tensor) else [part.inputs, part.deltas]:
            require_finite(**{f"the gradient of task {task!r} by {name!r}": values})


def _require_same(
    task: str, layout: ParamLayout, parts: Sequence[LinearFactors | Tensor], expected: Tensor | None
) -> None:
    expected = torch.zeros(layout.size) if expected is None else expected
    for part, (name, theirs) in zip(parts, layout.unflatten(expected).items(), strict=True):
        mine = part if isinstance(part, Tensor) else part.gradient
        if not (mine - theirs.to(mine)).norm() <= SAME * theirs.norm():
            raise ValueError(
                f"the gradient of task {task!r} by {name!r} is not the sum over its layer's calls: the network uses "
                "the weight without calling the layer, or changes what the layer gave; use task_gradients"
            )
