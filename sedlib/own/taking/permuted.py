"""Batches whose targets belong to other examples: what a network's gradient is where there is nothing to learn.

None of the papers has this null: such a gradient shares with the task's the network, the inputs and how often each
target occurs, and nothing of the task.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

import torch
from torch import Tensor

from sedlib.base.errors import UserError

TARGETS = ("labels", "targets", "target", "label", "y")
"""Under which names a batch that is a dictionary holds its targets."""


def permuted(batch: Any, generator: torch.Generator) -> Any:
    """The batch with its targets in another order along the first axis: the last of a tuple, or ``labels`` of a dict.

    Raises
    ------
    UserError
        The batch is neither, or has fewer than two examples; give a function of your own.

    Examples
    --------
    >>> inputs, targets = permuted((torch.arange(3), torch.arange(3)), torch.Generator().manual_seed(1))
    >>> inputs.tolist(), sorted(targets.tolist())
    ([0, 1, 2], [0, 1, 2])
    """
    if isinstance(batch, Mapping):
        if found := next((name for name in TARGETS if isinstance(batch.get(name), Tensor)), None):
            return _with(batch, found, _shuffled(batch[found], generator))
    elif isinstance(batch, tuple | list) and len(batch) > 1 and isinstance(batch[-1], Tensor):
        return _with(batch, len(batch) - 1, _shuffled(batch[-1], generator))
    raise UserError(
        f"batches: expected (inputs, targets) or a dictionary with one of {', '.join(TARGETS)}, whose targets can be "
        f"permuted, got {type(batch).__name__}; give permute=, a function of batch and generator, or permutations=0"
    )


def _with(batch: Any, key: Any, targets: Tensor) -> Any:
    """A batch of the same type, whose attributes a loss may read, with other targets; the batch stays as it was."""
    if isinstance(batch, tuple):
        replaced = getattr(batch, "_replace", None)
        return replaced(**{batch._fields[key]: targets}) if replaced else (*batch[:-1], targets)  # type: ignore[attr-defined]
    before = batch[key]
    try:
        found = copy(batch)
        found[key] = targets
    except TypeError:  # a mapping that cannot be changed
        return {**batch, key: targets}
    if batch[key] is targets:
        batch[key] = before
        raise UserError(
            f"batches: a copy of a {type(batch).__name__} shares its targets with it; give permute=, a function of "
            "batch and generator, or permutations=0"
        )
    return found


def _shuffled(targets: Tensor, generator: torch.Generator) -> Tensor:
    if not targets.ndim or len(targets) < 2:
        raise UserError(f"batches: expected targets of several examples to permute, got shape {tuple(targets.shape)}")
    if (targets == targets[0]).all():
        raise UserError("batches: expected targets that differ, as permuting equal ones changes nothing")
    while torch.equal(found := targets[torch.randperm(len(targets), generator=generator).to(targets.device)], targets):
        pass  # of few examples the order that was there comes often
    return found
