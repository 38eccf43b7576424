"""Whether what a network computes depends on its checkpoint alone, and not on how often it was called."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sedlib.base.errors import listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.guards import full_precision_inside
from sedlib.models.tensors import places

Values = Mapping[str, Tensor]
"""What a function of a module gives, each value by the name that a message calls it."""


def require_pure(checkpoint: Checkpoint, function: Callable[[nn.Module], Values]) -> None:
    """Refuse a function of the module that is another one at the next call, or that reads what no checkpoint holds.

    Raises
    ------
    ValueError
        It draws random numbers, writes a buffer or a slot, reads a parameter that is not the module's, or computes in
        16 bits; the message says what and where.

    Examples
    --------
    >>> import torch
    >>> from sedlib.vectors import ParamLayout
    >>> module = nn.Linear(2, 1)
    >>> checkpoint = Checkpoint(module, ParamLayout.select(module, "weight"))
    >>> require_pure(checkpoint, lambda module: {"a score": module(torch.ones(3, 2))})
    >>> require_pure(checkpoint, lambda module: {"a score": nn.functional.dropout(module(torch.ones(100, 2)))})
    Traceback (most recent call last):
    ValueError: a score is ... and then ... at the same parameters: ...
    """
    with full_precision_inside():
        twice = checkpoint.at(lambda module: _Twice.of(module, function), checkpoint.theta.clone())()
    if slots := _moved(twice, checkpoint):
        raise ValueError(
            f"slots: {listed(slots)} is written in place by the network's own forward, as nn.Embedding does with "
            "max_norm, so that it does not stay where θ puts it; leave it out of the slots"
        )
    if twice.changed:
        raise ValueError(
            f"the network changes {listed(twice.changed)} at every call, although it is in eval: what it computes "
            "depends on how often it was called; let it do so only where self.training is true"
        )
    for name, (first, second) in twice.differing.items():
        raise ValueError(
            f"{name} is {first:.9g} and then {second:.9g} at the same parameters: let it use the module that it is "
            "given, on a fixed batch, and draw no random numbers (dropout of torch.nn.functional and of "
            "scaled_dot_product_attention is on in eval too where nothing turns it off)"
        )
    for name, value in twice.first.items():
        if (live := next(_leaves(value), None)) is not None:
            raise ValueError(f"{name} depends on {_origin(live, checkpoint.module)}")


def _moved(twice: "_Twice", checkpoint: Checkpoint) -> list[str]:
    """Slots that were written, of which the ones that are other than before; all where none is."""
    before = checkpoint.at(places)()
    slots = [name for name in twice.written if name in checkpoint.parameters]
    return [name for name in slots if not _same(twice.written[name], before[f"{name}"])] or slots


@dataclass(frozen=True)
class _Twice:
    """What two evaluations gave, and what they did to the module."""

    first: Values
    differing: dict[str, tuple[float, float]]
    """The two values where they differ most."""
    written: dict[str, Tensor]
    """What was written, after the first evaluation."""
    changed: list[str]
    """Tensors of the module that are other ones after the second evaluation than after the first."""

    @classmethod
    def of(cls, module: nn.Module, function: Callable[[nn.Module], Values]) -> "_Twice":
        before = {name: (tensor, tensor._version) for name, tensor in places(module).items()}
        first, after = function(module), places(module)
        written = {name: after[name].clone() for name, was in before.items() if _is_written(after[name], *was)}
        second, last = function(module), places(module)
        differing = {name: _pair(first[name], second[name]) for name in first if not _same(first[name], second[name])}
        return cls(first, differing, written, [name for name in written if not _same(written[name], last[name])])


def _is_written(now: Tensor, before: Tensor, version: int) -> bool:
    return now is not before or now._version != version


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool(((first == second) | ((first != first) & (second != second))).all())


def _pair(first: Tensor, second: Tensor) -> tuple[float, float]:
    if first.shape != second.shape:
        return float(first.sum()), float(second.sum())
    place = (first - second).abs().argmax()
    return float(first.flatten()[place]), float(second.flatten()[place])


def _leaves(value: Tensor) -> Iterator[Tensor]:
    """Parameters from which a value was computed: none of a checkpoint's tensors is one."""
    ahead, seen = [value.grad_fn], {None}
    while ahead:
        node: Any = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(leaf := getattr(node, "variable", None), nn.Parameter):
            yield leaf
        ahead.extend(parent for parent, _ in node.next_functions)


def _origin(live: Tensor, module: nn.Module) -> str:
    name = next((name for name, tensor in places(module).items() if tensor is live), None)
    if name is not None:
        return (
            f"a tensor that was computed from {name!r} before this measurement, and would not move with it; let the "
            "network keep no tensor that was computed from weights"
        )
    return (
        f"a parameter of shape {tuple(live.shape)} that is not one of {type(module).__name__}'s, so that no checkpoint "
        "holds it: register it (nn.ModuleList for a list of modules), or detach it where it is meant to be as it is now"
    )
