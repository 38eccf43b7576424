"""Chooses names by globs, and refuses a glob that chooses nothing or means a tied name alone."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import listed, quoted
from sedlib.base.nearest import nearest
from sedlib.slots.registry import Registry
from sedlib.slots.slot import Slot

Patterns = str | Iterable[str]
EXPECTED = "glob patterns of parameter names, as texts or lists of texts"


def as_patterns(*given: Any) -> tuple[str, ...]:
    """Patterns, given one by one or as lists, as one list.

    Raises
    ------
    ValueError
        One is no text.

    Examples
    --------
    >>> as_patterns("*.weight", ["head.*", "embed.*"])
    ('*.weight', 'head.*', 'embed.*')
    """
    found: list[str] = []
    for each in given:
        several = each is not None and not isinstance(each, str)
        if several and (not isinstance(each, Iterable) or isinstance(each, Tensor)):
            raise wrong_kind("patterns", EXPECTED, each)
        for pattern in each if several else [] if each is None else [each]:
            if not isinstance(pattern, str):
                raise wrong_kind("patterns", EXPECTED, pattern, "lists of lists are none" * isinstance(pattern, list))
            found.append(pattern)
    return tuple(found)


def matching(names: Iterable[str], patterns: Collection[str]) -> list[str]:
    """The names that match one of the patterns, in their order."""
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def kept(
    names: Collection[str], include: Collection[str], exclude: Collection[str], registry: Registry, kind: str
) -> list[str]:
    """Those of the parameters ``names``, each of which is a ``kind``, that match ``include`` and not ``exclude``.

    Raises
    ------
    ValueError
        A pattern matches none of them, or none remains. A pattern matches a further name of a parameter, and leaves
        open whether the parameter is meant, as no pattern matches the name that it goes by.
    """
    among = set(names)
    aliases = {alias: first for alias, first in registry.aliases.items() if first in among}
    for pattern in (*include, *exclude):
        if not matching((*names, *aliases), [pattern]):
            hint = _computed(pattern, registry)
            raise ValueError(
                f"pattern {quoted(pattern)} matches no {kind}{hint}; there are: {shown(pattern, names, registry)}"
            )
    included, excluded = set(matching((*names, *aliases), include)), set(matching((*names, *aliases), exclude))
    for alias, first in aliases.items():
        is_wanted_alone = alias in included - excluded and first not in included | excluded
        is_unwanted_alone = alias in excluded and first in included - excluded
        if is_wanted_alone or is_unwanted_alone:
            raise ValueError(f"{registry.tie(alias)}; it goes by that name here: include or exclude {first!r}")
    found = [name for name in names if name in included - excluded]
    if not found:
        raise ValueError(f"exclude={quoted(list(exclude))} leaves no {kind}; there are: {shown('', names, registry)}")
    return found


def _computed(pattern: str, registry: Registry) -> str:
    """Where what is meant may be: a tensor that a submodule computes, or weights that are no parameters."""
    path, _, name = pattern.rpartition(".")
    owner = registry.modules.get(path)
    if owner is not None and name in owner._buffers:
        return f" ({quoted(pattern)} is a buffer)"
    parts = [part for part in registry.parameters if part.startswith((f"{path}.parametrizations.{name}.", pattern))]
    if owner is not None and parts:
        return f" (the module computes {quoted(pattern)} from {listed(parts)}, of which each is a parameter)"
    if not registry.parameters:
        return ", as the module has no parameters: quantised and frozen modules keep their weights elsewhere"
    return ""


def shown(wanted: str, names: Iterable[str], registry: Registry) -> str:
    """Names with shapes for a message: the nearest to what was wanted, where they are many."""
    shapes = registry.parameters
    return nearest(wanted, [f"{name} {tuple(shapes[name].shape)}" for name in names])


def trainable(slots: Collection[Slot], registry: Registry) -> list[Slot]:
    """Those that are trained themselves, or through an adapter.

    Raises
    ------
    ValueError
        None is.
    """
    found = [slot for slot in slots if any(registry.parameters[name].requires_grad for name in slot.needs)]
    if not found:
        frozen = shown("", [slot.name for slot in slots], registry)
        raise ValueError(f"trainable_only: every chosen parameter is frozen (requires_grad is False): {frozen}")
    return found
