"""What a network kept from an earlier call, such as a weight that it normalised once: it would not move with the slots.

An attribute that holds a tensor which is no parameter and no buffer is a leftover if the network makes it anew where it
is missing. In a measurement it is missing, so that it is made of the slots that are measured.
"""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from sedlib.models.checkpoint import Checkpoint
from sedlib.models.measuring import OWN, Ways


def find_leftovers(checkpoint: Checkpoint, function: Callable[[nn.Module], object]) -> Ways:
    """By submodule and attribute, how to make the network compute anew what it kept; ``function`` calls it.

    Examples
    --------
    >>> import torch
    >>> from sedlib.vectors import ParamLayout
    >>> class Normalised(nn.Linear):
    ...     kept = None
    ...     def forward(self, inputs):
    ...         if self.kept is None:
    ...             self.kept = nn.functional.normalize(self.weight)
    ...         return inputs @ self.kept.T
    >>> module = Normalised(2, 1)
    >>> _ = module(torch.ones(1, 2))
    >>> found = find_leftovers(Checkpoint(module, ParamLayout.select(module, "weight")), lambda m: m(torch.ones(1, 2)))
    >>> [name for _, name in found]
    ['kept']
    """
    found: Ways = {}
    for name in {name: None for _, name in _holding(checkpoint.module)}:
        owners = [owner for owner, held in _holding(checkpoint.module) if held == name]
        for way in (_empty, _remove):
            refilled = _refilled(checkpoint, function, {(id(owner), name): way for owner in owners}, owners, name)
            found |= {(id(owner), name): way for owner in refilled}
            if refilled:
                break
    return found


def _refilled(
    checkpoint: Checkpoint, function: Callable[[nn.Module], object], ways: Ways, owners: list[nn.Module], name: str
) -> list[nn.Module]:
    """The owners whose attribute holds a tensor again after a call without it; none where that call fails."""

    def called(module: nn.Module) -> list[nn.Module]:
        function(module)
        return [owner for owner in owners if _holds_a_tensor(vars(owner).get(name))]

    try:
        return checkpoint.changed(ways).at(called, checkpoint.theta.clone())()
    except Exception:  # whatever the network's own code raises without it: then it is a constant
        return []


def _holding(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for submodule in module.modules():
        for name, value in vars(submodule).items():
            if name not in OWN and _holds_a_tensor(value):
                yield submodule, name


def _holds_a_tensor(value: Any) -> bool:
    if isinstance(value, (list, dict)):
        return any(map(_holds_a_tensor, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and value.is_floating_point()


def _empty(attributes: dict[str, Any], name: str) -> None:
    value = attributes[name]
    attributes[name] = type(value)() if isinstance(value, (list, dict)) else None


def _remove(attributes: dict[str, Any], name: str) -> None:
    del attributes[name]
