"""Every tensor of a module, by the places that hold it: what a replacement must reach, and a checkpoint must bring.

A *place* is an attribute of one submodule. A submodule that is reachable by two names has its places once; a tensor
that two submodules hold (tied weights) has two places.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn


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


def replaced_everywhere(module: nn.Module, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``values`` by place, for every place that holds the tensor of a named one: tied weights stay tied.

    Of two names of one tensor that both have a value the first one in the module's order counts.
    """
    held = places(module)
    by_tensor: dict[int, Tensor] = {}
    for name in held:
        if name in values:
            by_tensor.setdefault(id(held[name]), values[name])
    return {name: by_tensor[id(tensor)] for name, tensor in held.items() if id(tensor) in by_tensor}
