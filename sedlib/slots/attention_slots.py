"""Chooses attention slots: by name, by layer and head, by what is trained."""

from collections.abc import Iterable

from sedlib.slots.adapters import Adapters
from sedlib.slots.attention_modules import found_in
from sedlib.slots.heads import head_ranges, merged
from sedlib.slots.layers_and_heads import Chosen, Heads, Numbers, by_layer
from sedlib.slots.look_alikes import look_alikes
from sedlib.slots.patterns import Patterns, as_patterns, kept, shown
from sedlib.slots.registry import Registry
from sedlib.slots.slot import Slot


def attention_slots(
    registry: Registry,
    layers: Numbers | None,
    heads: Heads | None,
    include: Patterns | None,
    exclude: Patterns | None,
    is_merged: bool,
) -> tuple[list[Slot], list[str]]:
    """The slots that are chosen, in the module's order, and the names that look like attention and are not known.

    Raises
    ------
    ValueError
        No attention module of a known structure is inside; nothing is chosen; what is asked for cannot be told.
    """
    attention = found_in(registry)
    known = {weight.name for module in attention for weight in module.weights}
    alike = [name for name in look_alikes(registry) if name not in known]
    if not known:
        raise ValueError(
            f"no attention module of a known structure in {type(registry.module).__name__}; "
            f"name its weights with ParamLayout.select; "
            f"there are: {shown('attention', alike or registry.parameters, registry)}"
        )
    every = [name for name in registry.parameters if name in known or name in alike]
    names = kept(every, as_patterns(include) or ("*",), as_patterns(exclude), registry, "attention parameter")
    of_names = [module for module in attention if any(weight.name in names for weight in module.weights)]
    found = _slots(by_layer(of_names, layers, heads, registry), Adapters(registry) if is_merged else None)
    chosen = [found[name] for name in names if name in found]
    if not chosen:
        raise ValueError(f"of no known attention structure: {shown('', names, registry)}; use ParamLayout.select")
    return chosen, [name for name in names if name in alike]


def _slots(chosen: Iterable[Chosen], adapters: Adapters | None) -> dict[str, Slot]:
    """A slot for each weight of the attention modules."""
    found: dict[str, Slot] = {}
    for module, heads in chosen:
        every = head_ranges(module, heads) if heads is not None else [()] * len(module.weights)
        for weight, ranges in zip(module.weights, every, strict=True):
            if weight.name in found:  # one parameter in two roles, or of two modules
                ranges = merged([*found[weight.name].ranges, *ranges])
            added = adapters.on(weight.holder, weight.name) if adapters else ()
            found[weight.name] = Slot(weight.name, weight.shape, weight.head_axis if ranges else 0, ranges, added)
    return found
