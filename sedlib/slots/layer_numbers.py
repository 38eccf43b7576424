"""In which layer an attention module is, as an attribute or its name says."""

from collections.abc import Mapping, Sequence

from torch import nn

ATTRIBUTES = ("layer_idx", "layer_id")


def layer_numbers(places: Mapping[str, Sequence[nn.Module]]) -> dict[str, tuple[int, ...]]:
    """The numbers of the layer of each attention module that may be meant: one where it can be told.

    An attribute of one of its ``places`` says it, else the one number in its name, else the one number whose like
    other attention modules have in its place: 1 in ``0.blocks.1.attn`` where there is a ``0.blocks.2.attn``.

    Examples
    --------
    >>> layer_numbers({"0.blocks.1.attn": [], "0.blocks.2.attn": [], "pool.attn": []})
    {'0.blocks.1.attn': (1,), '0.blocks.2.attn': (2,), 'pool.attn': ()}
    >>> layer_numbers({f"stages.{i}.blocks.{j}.attn": [] for i in (0, 1) for j in (0, 1)})["stages.0.blocks.1.attn"]
    (0, 1)
    """
    names = {name: name.split(".") for name in places}
    variants: dict[tuple[str, ...], set[str]] = {}
    for parts in names.values():
        for place, part in enumerate(parts):
            if part.isdecimal():
                variants.setdefault(tuple(parts[:place]), set()).add(part)
    return {name: _said(places[name]) or _numbers(parts, variants) for name, parts in names.items()}


def _said(places: Sequence[nn.Module]) -> tuple[int, ...]:
    said = [getattr(place, attribute, None) for place in places for attribute in ATTRIBUTES]
    return tuple(number for number in said if isinstance(number, int))[:1]


def _numbers(parts: list[str], variants: Mapping[tuple[str, ...], set[str]]) -> tuple[int, ...]:
    numbers = {place: int(part) for place, part in enumerate(parts) if part.isdecimal()}
    several = {number for place, number in numbers.items() if len(variants[tuple(parts[:place])]) > 1}
    return tuple(sorted(several or set(numbers.values())))
