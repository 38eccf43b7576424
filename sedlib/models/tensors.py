"""Every tensor of a module, by the places that hold it: what a replacement must reach, and a checkpoint must bring.

A *place* is an attribute of one submodule. A submodule that is reachable by two names has its places once; a tensor
that two submodules hold (tied weights) has two places.
"""

from collections.abc import Hashable, Iterator, Mapping

import torch
from torch import Tensor, nn

from sedlib.base.errors import quoted


def places(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, one entry for each place, by the first name that leads to it.

    Examples
    --------
    >>> decoder = nn.ModuleDict({"embed": nn.Embedding(5, 3), "head": nn.Linear(3, 5, bias=False)})
    >>> decoder["head"].weight = decoder["embed"].weight  # tied: one tensor, two places
    >>> list(places(decoder))
    ['embed.weight', 'head.weight']
    """
    return dict(_places(module))


def _places(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for owner, submodule in module.named_modules():
        held = (*submodule.named_parameters(recurse=False, remove_duplicate=False), *_buffers(submodule))
        for name, tensor in held:
            yield f"{owner}.{name}" if owner else name, tensor


def _buffers(submodule: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return submodule.named_buffers(recurse=False, remove_duplicate=False)


def memory(tensor: Tensor) -> Hashable:
    """Which numbers a tensor shows: equal for tied weights, also for those that ``.data`` ties.

    These are two parameters of one memory, which moves whichever of them an optimizer moves.

    Examples
    --------
    >>> first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    >>> memory(first) == memory(second)
    False
    >>> second.data = first.data
    >>> memory(first) == memory(second)
    True
    """
    if not is_plain(tensor) or not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is a view of memory, and nothing more: not sparse, quantised, on meta, or of its own class."""
    is_dense = tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized
    return is_dense and type(tensor) in (Tensor, nn.Parameter, nn.Buffer)


def memories(module: nn.Module) -> dict[str, Hashable]:
    """What ``memory`` says of each place."""
    return {name: memory(tensor) for name, tensor in _places(module)}


def replaced_everywhere(held: Mapping[str, Hashable], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``values`` by place, for every place of the ``memories`` that holds a named one: tied weights stay tied.

    Of two names of one memory that both have a value the first one in the module's order counts.
    """
    by_memory: dict[Hashable, Tensor] = {}
    for name in held:
        if name in values:
            by_memory.setdefault(held[name], values[name])
    return {name: by_memory[memory] for name, memory in held.items() if memory in by_memory}


def require_slots(module: nn.Module, placed: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Refuse slots that are no parameters of their own: buffers, two names of one tensor, several dtypes.

    Raises
    ------
    ValueError
        There is one; the message names it.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2)
    >>> require_slots(norm, {"running_mean": norm.running_mean}, dict(norm.state_dict()))
    Traceback (most recent call last):
    ValueError: slots: expected parameters, got the buffer 'running_mean'; leave it out
    """
    held = places(module)
    names: dict[int, str] = {}
    for name in placed:
        if not isinstance(held[name], nn.Parameter):
            raise ValueError(f"slots: expected parameters, got the buffer {quoted(name)}; leave it out")
        first = names.setdefault(id(held[name]), name)
        if first != name:
            raise ValueError(f"slots: {quoted(name)} is tied to {quoted(first)}, so one parameter: leave one name out")
        if (dtype := values[name].dtype) != (other := values[first := next(iter(placed))].dtype):
            raise ValueError(
                f"slots: expected one dtype, got {other} of {quoted(first)} and {dtype} of {quoted(name)}; a vector "
                "has one dtype: cast the module or the state, or choose the slots of each dtype separately"
            )
