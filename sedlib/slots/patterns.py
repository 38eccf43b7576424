"""Chooses names by globs, and refuses a glob that chooses nothing or means a tied name alone."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

from sedlib.base.nearest import nearest
from sedlib.slots.registry import Registry
from sedlib.slots.slot import Slot

Patterns = str | Iterable[str]


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
    lists = [[each] if isinstance(each, str) else list(each) for each in given if each is not None]
    found = tuple(pattern for each in lists for pattern in each)
    if wrong := [pattern for pattern in found if not isinstance(pattern, str)]:
        raise ValueError(f"expected glob patterns as texts or lists of texts, got {wrong[0]!r}")
    return found


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
            raise ValueError(f"pattern {pattern!r} matches no {kind}; there are: {shown(pattern, names, registry)}")
    included, excluded = set(matching((*names, *aliases), include)), set(matching((*names, *aliases), exclude))
    for alias, first in aliases.items():
        is_wanted_alone = alias in included - excluded and first not in included | excluded
        is_unwanted_alone = alias in excluded and first in included - excluded
        if is_wanted_alone or is_unwanted_alone:
            raise ValueError(f"{registry.tie(alias)}; it goes by that name here: include or exclude {first!r}")
    found = [name for name in names if name in included - excluded]
    if not found:
        raise ValueError(f"exclude={list(exclude)} leaves no {kind}; there are: {shown('', names, registry)}")
    return found


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
