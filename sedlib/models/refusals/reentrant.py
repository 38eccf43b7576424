"""Refuses activation checkpointing in the re-entrant way, in which a gradient by single tensors is none or wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from unittest import mock

import torch.utils.checkpoint
from torch import nn

from sedlib.base.errors import quoted


@contextmanager
def without_reentrance() -> Iterator[None]:
    """Inside, a network must not compute activations again in the re-entrant way.

    Raises
    ------
    ValueError
        The network computes activations again in the re-entrant way; the message names the part.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> with without_reentrance():
    ...     torch.utils.checkpoint.checkpoint(layer, torch.ones(1, 1), use_reentrant=True)
    Traceback (most recent call last):
    ValueError: the network computes activations of 'Linear' again in the re-entrant way ...
    """
    with mock.patch.object(torch.utils.checkpoint, "CheckpointFunction", _Reentrant):
        yield


class _Reentrant:
    """In the place of the function by which PyTorch computes activations again in the re-entrant way."""

    @staticmethod
    def apply(function: object, *_: object) -> NoReturn:
        inside = type(function).__name__ if isinstance(function, nn.Module) else getattr(function, "__qualname__", "")
        raise ValueError(
            f"the network computes activations of {quoted(inside or 'a part')} again in the re-entrant way "
            "(torch.utils.checkpoint with use_reentrant=True), which gives no gradient to single tensors: set "
            "use_reentrant=False, or switch it off for the measurement (model.gradient_checkpointing_disable())"
        )
