"""Finds the attention modules of a network by their structure, whatever their classes are and whoever wraps them."""

import re
from dataclasses import dataclass, field

from torch import nn
from torch.nn.parameter import UninitializedParameter

from sedlib.slots.adapters import unused, unwrapped
from sedlib.slots.layer_numbers import layer_numbers
from sedlib.slots.registry import Registry
from sedlib.slots.structures import STRUCTURES, Order

LOOKS_LIKE_CROSS = re.compile(r"cross|enc_?dec|encoder_attn|multihead_attn", re.IGNORECASE)


@dataclass(frozen=True)
class Weight:
    """A weight of an attention module."""

    name: str
    """Of the parameter, in the whole network."""
    shape: tuple[int, int]
    """Whole, whatever heads are chosen."""
    roles: str
    """Which of Q, K, V and O it holds."""
    is_transposed: bool
    """Whether it is ``[inputs, outputs]``, as in GPT-2; else ``[outputs, inputs]``."""
    holder: nn.Module = field(repr=False)

    @property
    def head_axis(self) -> int:
        """Along which axis heads lie: the outputs of Q, K and V, the inputs of O."""
        return int((self.roles == "O") != self.is_transposed)


@dataclass(frozen=True)
class AttentionModule:
    """An attention module, and what is known of it."""

    name: str
    """Of the module, in the whole network."""
    weights: tuple[Weight, ...]
    """Its weights of Q, K, V and O, in the order of its structure."""
    order: Order
    """How heads follow each other in a fused weight."""
    places: tuple[nn.Module, ...] = field(repr=False)
    """The modules that may say more of it: from the one that holds Q up to the attention module."""
    numbers: tuple[int, ...]
    """What may be its layer's number: one, none, or several that its name does not decide between."""

    @property
    def layer(self) -> int | None:
        """The number of its layer, where it is in one and that can be told."""
        return self.numbers[0] if len(self.numbers) == 1 else None

    @property
    def is_cross(self) -> bool:
        """Whether keys and values come from another sequence, as far as an attribute or its name says so."""
        said = [place.is_cross_attention for place in self.places if hasattr(place, "is_cross_attention")]
        return bool(said[0] if said else LOOKS_LIKE_CROSS.search(self.name.rpartition(".")[2]))


def attention_modules(module: nn.Module) -> tuple[AttentionModule, ...]:
    """Every attention module inside, or the module itself, whose structure is in ``STRUCTURES``.

    Examples
    --------
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2)
    >>> [(found.name, found.layer, found.is_cross) for found in attention_modules(decoder)][:2]
    [('layers.0.self_attn', 0, False), ('layers.0.multihead_attn', 0, True)]
    >>> [(weight.name, weight.roles) for weight in attention_modules(decoder)[0].weights]
    [('layers.0.self_attn.in_proj_weight', 'QKV'), ('layers.0.self_attn.out_proj.weight', 'O')]
    """
    return found_in(Registry(module))


def found_in(registry: Registry) -> tuple[AttentionModule, ...]:
    """``attention_modules`` of a module that has been read."""
    idle = unused(registry)
    owners = {name: owner for name, owner in registry.modules.items() if not f"{name}.".startswith(idle)}
    found = {name: found for name, owner in owners.items() if (found := _recognised(owner, registry))}
    numbers = layer_numbers({name: places for name, (_, _, places) in found.items()})
    return tuple(AttentionModule(name, *what, numbers[name]) for name, what in found.items())


def _recognised(owner: nn.Module, registry: Registry) -> tuple[tuple[Weight, ...], Order, tuple[nn.Module, ...]] | None:
    """Weights, order and places of an attention module that is of a known structure."""
    for structure in STRUCTURES:
        ways = [_way(owner, path.split(".")[:-1]) for path in structure.roles] if structure.fits(owner) else []
        if all(ways) and ways:
            parts = zip(ways, structure.roles.items(), strict=True)
            weights = [_weight(way, path, roles, registry) for way, (path, roles) in parts]
            known = tuple(weight for weight in weights if weight)
            if len(known) == len(weights) and _is_consistent(known):
                return known, structure.order, tuple(reversed(ways[0]))
    return None


def _way(owner: nn.Module, names: list[str]) -> list[nn.Module]:
    """The modules from the owner down to the one at the names, without what wraps them; none where one is missing."""
    way = [owner]
    for name in names:
        child = way[-1]._modules.get(name)
        if child is None:
            return []
        way.append(unwrapped(child))
    return way


def _weight(way: list[nn.Module], path: str, roles: str, registry: Registry) -> Weight | None:
    parameter = way[-1]._parameters.get(path.rpartition(".")[2])
    if parameter is None or isinstance(parameter, UninitializedParameter) or parameter.ndim != 2:
        return None
    is_transposed = any(kind.__name__ == "Conv1D" for kind in type(way[-1]).__mro__)
    rows, columns = parameter.shape
    return Weight(registry.names[id(parameter)], (rows, columns), roles, is_transposed, way[-1])


def _is_consistent(weights: tuple[Weight, ...]) -> bool:
    """Whether O takes what V gives, once or once for each query that shares it: else O is another layer."""
    length = {weight.roles: weight.shape[weight.head_axis] for weight in weights}
    return "V" not in length or length["O"] % length["V"] == 0
