"""A module's parameters and submodules by name, each once, and their further names: ties and shared submodules."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter


@dataclass(frozen=True)
class Registry:
    """Reads a module once. Names and order are those of ``named_parameters`` and ``named_modules``."""

    module: nn.Module

    @cached_property
    def _places(self) -> list[tuple[str, nn.Module]]:
        return list(_walk(self.module, "", ()))

    @cached_property
    def modules(self) -> dict[str, nn.Module]:
        """Submodules, each under its first name."""
        return _first(dict(self._places))

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Parameters, each under its first name."""
        return _first(self._all_parameters)

    @cached_property
    def _all_parameters(self) -> dict[str, nn.Parameter]:
        return {
            f"{prefix}.{name}" if prefix else name: parameter
            for prefix, module in self._places
            for name, parameter in module._parameters.items()
            if parameter is not None
        }

    @cached_property
    def names(self) -> dict[int, str]:
        """The first name of each parameter, by its identity."""
        return {id(parameter): name for name, parameter in self.parameters.items()}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Every further name of a parameter, with its first name."""
        found = {name: self.names[id(parameter)] for name, parameter in self._all_parameters.items()}
        return {name: first for name, first in found.items() if name != first}

    def tie(self, alias: str) -> str:
        """A sentence on what an alias is tied to.

        Examples
        --------
        >>> shared = nn.Linear(2, 2)
        >>> Registry(nn.ModuleDict({"first": shared, "second": shared})).tie("second.weight")
        "'second.weight' is 'first.weight': module 'second' is module 'first' under another name"
        """
        first, places = self.aliases[alias], dict(self._places)
        alias_path, first_path = alias.split("."), first.split(".")
        same = [
            (".".join(alias_path[:-cut]), ".".join(first_path[:-cut]))
            for cut in range(1, min(len(alias_path), len(first_path)))
            if alias_path[-cut:] == first_path[-cut:]
        ]
        shared = [(one, other) for one, other in same if places[one] is places[other]]
        if not shared:
            return f"{alias!r} is tied to {first!r}"
        return f"{alias!r} is {first!r}: module {shared[-1][0]!r} is module {shared[-1][1]!r} under another name"

    def real(self, names: list[str]) -> list[str]:
        """The names, of parameters that a vector of real numbers can hold.

        Raises
        ------
        ValueError
            One is complex, holds integers (quantised weights), or has no size yet (lazy modules).
        """
        for name in names:
            parameter = self.parameters[name]
            if isinstance(parameter, UninitializedParameter):
                raise ValueError(f"parameter {name!r} has no size yet; run its lazy module once")
            require_real(name, parameter.is_floating_point(), parameter.dtype)
        return names


def require_real(name: str, is_real: bool, dtype: object) -> None:
    """Refuse a parameter that is not of real floating-point numbers.

    Raises
    ------
    ValueError
        It is complex, or of integers.
    """
    if not is_real:
        raise ValueError(f"parameter {name!r}: expected real floating-point numbers, got {dtype}; leave it out")


def _walk(module: nn.Module, name: str, above: tuple[nn.Module, ...]) -> Iterator[tuple[str, nn.Module]]:
    """All places below, those of shared modules too, but none inside itself."""
    yield name, module
    for key, child in module._modules.items():
        if child is not None and not any(child is one for one in (*above, module)):
            yield from _walk(child, f"{name}.{key}" if name else key, (*above, module))


def _first(named: dict[str, Any]) -> dict[str, Any]:
    """Each object under the first of its names."""
    seen: dict[int, str] = {}
    return {name: found for name, found in named.items() if seen.setdefault(id(found), name) == name}
