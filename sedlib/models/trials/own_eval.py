"""What a module's own ``train`` does beside setting ``training``, which a measurement sets without calling it.

A flag of the module's own is set to what ``eval`` makes it. Weights that ``eval`` would change, as adapters do that are
merged then, stay as they are: what the network computes is the same, and the adapters can be moved.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from sedlib.models.measuring import OWN, Ways
from sedlib.models.tensors import places

PLAIN = (bool, int, float, str, type(None))


def find_flags(module: nn.Module) -> Ways:
    """By submodule and attribute, how to set what ``eval`` would set; tried out on a copy.

    Examples
    --------
    >>> class Noisy(nn.Linear):
    ...     def train(self, mode=True):
    ...         self.noise = 0.1 if mode else 0.0
    ...         return super().train(mode)
    >>> [name for _, name in find_flags(Noisy(2, 1).train())]
    ['noise']
    """
    owners = [owner for owner in module.modules() if owner.training and _has_its_own(type(owner))]
    return {found: way for owner in owners for found, way in _flags(owner).items()}


def _has_its_own(kind: type[nn.Module]) -> bool:
    return kind.train is not nn.Module.train or kind.eval is not nn.Module.eval


def _flags(owner: nn.Module) -> Ways:
    try:
        copied = deepcopy(owner)
    except RuntimeError:  # it holds the result of a calculation, which cannot be copied
        return {}
    submodules = list(zip(owner.modules(), copied.modules(), strict=True))
    copied.eval()
    before, after = places(owner), places(copied)
    if before.keys() != after.keys() or not all(torch.equal(before[name], after[name]) for name in before):
        return {}
    return {
        (id(submodule), name): _setter(value)
        for submodule, other in submodules
        for name, value in vars(other).items()
        if name not in OWN and isinstance(value, PLAIN) and vars(submodule).get(name, OWN) != value
    }


def _setter(value: Any) -> Any:
    def put(attributes: dict[str, Any], name: str) -> None:
        attributes[name] = value

    return put
