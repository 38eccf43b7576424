"""Slots that are memory of their own: each number of θ must be one number of the network."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from sedlib.models.tensors import is_plain, memory, places


def require_own_memory(module: nn.Module, slots: Iterable[str]) -> None:
    """Refuse slots, by the names of their parameters, that share numbers: with one another, or with another tensor.

    A tensor that shares all its numbers with a slot is tied to it, and moves with it, as long as it is no slot too.

    Raises
    ------
    ValueError
        There is one; the message names it.

    Examples
    --------
    >>> module = nn.Module()
    >>> module.qkv = nn.Parameter(torch.ones(6, 2))
    >>> module.q = nn.Parameter(module.qkv.data[:2])
    >>> require_own_memory(module, ["qkv"])
    Traceback (most recent call last):
    ValueError: slots: 'q' shares a part of its memory with 'qkv', ...
    """
    held = {name: tensor for name, tensor in places(module).items() if is_plain(tensor) and tensor.numel()}
    by_storage: dict[int, list[str]] = {}
    for name, tensor in held.items():
        by_storage.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    chosen = [name for name in slots if name in held]
    for name in chosen:
        if any(stride == 0 and size > 1 for stride, size in zip(held[name].stride(), held[name].shape, strict=True)):
            raise ValueError(
                f"slots: {name!r} is expanded: one number of the network stands for several of its elements, which "
                "cannot move by themselves; give the parameter its own size, and expand it in forward"
            )
        for other in by_storage[held[name].untyped_storage().data_ptr()]:
            _require_apart(name, other, held, is_slot=other in chosen)


def _require_apart(name: str, other: str, held: Mapping[str, Tensor], *, is_slot: bool) -> None:
    if held[other] is held[name]:
        return
    if memory(held[other]) == memory(held[name]):
        if is_slot:
            raise ValueError(
                f"slots: {other!r} and {name!r} share one memory (tied by .data), so that neither moves alone; "
                "leave one out of the slots, and both move together"
            )
    elif _overlap(held[name], held[other]):
        raise ValueError(
            f"slots: {other!r} shares a part of its memory with {name!r}, so that neither can be moved alone; make one "
            "of them a copy, or compute it in forward"
        )


def _overlap(first: Tensor, second: Tensor) -> bool:
    """Whether two views of one storage show a number in common."""
    ranges = [_range(first), _range(second)]
    if max(start for start, _ in ranges) >= min(stop for _, stop in ranges):
        return False
    marked = torch.zeros(max(stop for _, stop in ranges), dtype=torch.bool)
    marked.as_strided(first.shape, first.stride(), first.storage_offset()).fill_(value=True)
    return bool(marked.as_strided(second.shape, second.stride(), second.storage_offset()).any())


def _range(view: Tensor) -> tuple[int, int]:
    """The first element of the storage that it shows, and the one after the last."""
    start = int(view.storage_offset())
    return start, start + sum((size - 1) * stride for size, stride in zip(view.shape, view.stride(), strict=True)) + 1
