"""What wrappers hold, and what PEFT's adapters add to the weights inside them.

A LoRA adapter leaves the weight W alone and adds s·BA to what it does, so the network computes with W + s·BA.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from sedlib.slots.registry import Registry
from sedlib.slots.slot import LowRank

INSIDE = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "base_layer")
"""Names under which wrappers hold what they wrap: torch.compile, checkpointing, FSDP, PEFT."""

COPIED = "original_module"
"""Name under which PEFT keeps what it made a copy of, to train the copy."""


def unwrapped(module: nn.Module) -> nn.Module:
    """The innermost module of those that wrap each other; the module itself where it wraps none.

    Examples
    --------
    >>> inner = nn.Linear(2, 2)
    >>> unwrapped(nn.DataParallel(inner)) is inner
    True
    """
    children = module._modules
    if COPIED in children:
        return unwrapped(_copies(module)[0])
    inside = next((name for name in INSIDE if children.get(name) is not None), "module")
    found = children.get(inside)
    return module if found is None or (inside == "module" and len(children) > 1) else unwrapped(found)


def unused(registry: Registry) -> tuple[str, ...]:
    """How the names of modules begin that the network does not use: PEFT keeps what it copied, to train the copy."""
    wrappers = {name: module for name, module in registry.modules.items() if COPIED in module._modules}
    idle = {id(copy) for wrapper in wrappers.values() for copy in _copies(wrapper)[1:]}
    return tuple(f"{name}." for name, module in registry.modules.items() if id(module) in idle)


def _copies(wrapper: Any) -> list[nn.Module]:
    """What PEFT's wrapper holds, the copy that is used first."""
    active = [] if wrapper.disable_adapters else wrapper.active_adapters
    copies = dict(wrapper.modules_to_save)
    used = [copies.pop(name) for name in active if name in copies]
    return [*used, wrapper.original_module, *copies.values()]


@dataclass(frozen=True)
class Adapters:
    """The adapters in a module, by what they wrap."""

    registry: Registry

    def on(self, holder: nn.Module, weight: str) -> tuple[LowRank, ...]:
        """What LoRA adds to the parameter ``weight``, which ``holder`` holds.

        Raises
        ------
        ValueError
            An adapter does something else to it.
        """
        return tuple(term for wrapper in self._around(holder) for term in self._terms(wrapper, holder, weight))

    @cached_property
    def _wrappers(self) -> dict[int, Any]:
        wrapped = ((module._modules.get("base_layer"), module) for module in self.registry.modules.values())
        return {id(inside): wrapper for inside, wrapper in wrapped if inside is not None}

    def _around(self, holder: nn.Module) -> Iterator[Any]:
        while id(holder) in self._wrappers:
            holder = self._wrappers[id(holder)]
            yield holder

    def _terms(self, wrapper: Any, holder: nn.Module, weight: str) -> Iterator[LowRank]:
        if getattr(wrapper, "disable_adapters", False) or getattr(wrapper, "merged", False):
            return  # the network computes with the base weight, which holds what was merged
        for name in getattr(wrapper, "active_adapters", ()):
            if reason := _not_low_rank(wrapper, holder, name):
                raise ValueError(
                    f"parameter {weight!r}: the adapter {name!r} on it is {reason}, not W + s·BA; "
                    'give lora="base" for the weight without it, or merge it first (merge_and_unload)'
                )
            if name in wrapper.lora_A:
                yield self._term(wrapper, name)

    def _term(self, wrapper: Any, adapter: str) -> LowRank:
        names, down, up = self.registry.names, wrapper.lora_A[adapter].weight, wrapper.lora_B[adapter].weight
        is_transposed = bool(getattr(wrapper, "fan_in_fan_out", False))
        return LowRank(names[id(up)], names[id(down)], float(wrapper.scaling[adapter]), is_transposed)


def _not_low_rank(wrapper: Any, holder: nn.Module, adapter: str) -> str | None:
    """What an adapter is that is not LoRA, or a variant of it that is not a sum."""
    kind = type(wrapper).__name__
    if isinstance(holder, nn.MultiheadAttention):
        return f"{kind} around torch.nn.MultiheadAttention, which cuts the weight off from the gradient"
    if not isinstance(getattr(wrapper, "lora_A", None), nn.ModuleDict) or hasattr(wrapper, "parameter_name"):
        return kind
    if adapter in getattr(wrapper, "lora_variant", ()) or adapter in getattr(wrapper, "lora_magnitude_vector", ()):
        return "a variant of LoRA (DoRA or another)"
    return None
