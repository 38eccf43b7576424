"""Batches whose targets belong to other examples: what a network's gradient is where there is nothing to learn.

None of the papers has this null: such a gradient shares with the task's the network, the inputs and how often each
target occurs, and nothing of the task.
"""

import copy
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sedlib.base.errors import UserError

TARGETS = ("labels", "targets", "target", "label", "y")
"""Under which names a batch that has names holds its targets."""


def permuted(batch: Any, generator: torch.Generator) -> Any:
    """The batch with its targets in another order along the first axis; the batch that is given stays as it is.

    Targets are what is named ``labels``, ``targets``, ``target``, ``label`` or ``y`` in a mapping, a named tuple or a
    dataclass, or else the last part of a tuple or list. The batch keeps its type; a mapping that cannot be copied
    becomes a dictionary.

    Raises
    ------
    UserError
        The batch has no targets there, or fewer than two examples; give a function of your own.

    Examples
    --------
    >>> inputs, targets = permuted((torch.arange(3), torch.arange(3)), torch.Generator().manual_seed(1))
    >>> inputs.tolist(), sorted(targets.tolist())
    ([0, 1, 2], [0, 1, 2])
    """
    if (name := _name_of_targets(batch)) is not None:
        targets = _shuffled(_parts(batch)[name], generator)
        if isinstance(batch, Mapping):
            return _with_item(batch, name, targets)
        if isinstance(batch, tuple):
            return batch._replace(**{name: targets})  # type: ignore[attr-defined]
        return _with_field(batch, name, targets)
    if isinstance(batch, tuple | list) and len(batch) > 1 and isinstance(batch[-1], Tensor):
        parts = [*batch[:-1], _shuffled(batch[-1], generator)]
        return parts if isinstance(batch, list) else tuple(parts)
    raise _not_permuted(batch)


def _name_of_targets(batch: Any) -> Any:
    """Under which name the batch has its targets; the last one of a named tuple without such a name."""
    parts = _parts(batch)
    names = [*TARGETS, *list(parts)[-1:]] if isinstance(batch, tuple) and len(parts) > 1 else TARGETS
    return next((name for name in names if isinstance(parts.get(name), Tensor)), None)


def _parts(batch: Any) -> Mapping[Any, Any]:
    """The parts of a batch that have names."""
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, tuple):
        return dict(zip(getattr(batch, "_fields", ()), batch, strict=False))
    is_instance = is_dataclass(batch) and not isinstance(batch, type)
    return {field.name: getattr(batch, field.name, None) for field in fields(batch)} if is_instance else {}


def _with_item(batch: Mapping[Any, Any], name: str, targets: Tensor) -> Any:
    given = batch[name]
    try:
        changed: Any = copy.copy(batch)
        changed[name] = targets
    except Exception:  # whatever a class of somebody raises if it cannot be copied, or takes no item
        return {**batch, name: targets}
    if batch[name] is targets:  # the copy has the items of the batch itself
        changed[name] = given
        return {**batch, name: targets}
    return changed


def _with_field(batch: Any, name: str, targets: Tensor) -> Any:
    try:
        return replace(batch, **{name: targets})
    except (TypeError, ValueError) as error:  # a field that is not set by its constructor
        raise _not_permuted(batch) from error


def _not_permuted(batch: Any) -> UserError:
    return UserError(
        f"batches: expected (inputs, targets), or a dictionary, named tuple or dataclass with one of "
        f"{', '.join(TARGETS)}, whose targets can be permuted, got {type(batch).__name__}; give permute=, a function "
        "of batch and generator, or permutations=0"
    )


def _shuffled(targets: Tensor, generator: torch.Generator) -> Tensor:
    if not targets.ndim or len(targets) < 2:
        raise UserError(f"batches: expected targets of several examples to permute, got shape {tuple(targets.shape)}")
    if (targets == targets[0]).all():
        raise UserError("batches: expected targets that differ, as permuting equal ones changes nothing")
    while torch.equal(found := targets[torch.randperm(len(targets), generator=generator).to(targets.device)], targets):
        pass  # of few examples the order that was there comes often
    return found
