"""Which attention modules, and which of their heads, are meant by numbers of layers and heads."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sedlib.base.border.kinds import wrong_kind
from sedlib.slots.attention_modules import AttentionModule
from sedlib.slots.registry import Registry

Numbers = int | Collection[int]
Heads = Numbers | Mapping[int, Numbers]
Chosen = tuple[AttentionModule, set[int] | None]
"""An attention module with its chosen heads; None: all of it."""


def by_layer(
    attention: Sequence[AttentionModule], layers: Numbers | None, heads: Heads | None, registry: Registry
) -> list[Chosen]:
    """The attention modules of the layers, each with its chosen heads.

    Raises
    ------
    ValueError
        There is no such layer, a module's layer cannot be told, or layers are given twice.
    """
    if not isinstance(heads, Mapping):
        chosen = None if heads is None else _numbers(heads, "heads")
        return [(module, chosen) for module in _of(attention, layers, registry)]
    if layers is not None:
        raise ValueError("heads by layer say which layers are meant: give layers, or heads as a mapping, not both")
    return [
        (module, _numbers(numbers, "heads"))
        for layer, numbers in heads.items()
        for module in _of(attention, layer, registry)
    ]


def _numbers(given: Numbers, name: str) -> set[int]:
    listed = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    numbers: list[int] = [getattr(number, "item", lambda number=number: number)() for number in listed]
    if wrong := [number for number in numbers if not isinstance(number, int) or isinstance(number, bool)]:
        raise wrong_kind(name, "a whole number or several", wrong[0])
    found = set(numbers)
    if not found:
        raise ValueError(f"{name}: expected at least one number, got none; leave it out for all")
    return found


def _of(attention: Sequence[AttentionModule], layers: Numbers | None, registry: Registry) -> list[AttentionModule]:
    if layers is None:
        return list(attention)
    wanted = _numbers(layers, "layers")
    if unclear := [module for module in attention if len(module.numbers) > 1 and wanted & set(module.numbers)]:
        raise ValueError(
            f"attention module {unclear[0].name!r}: which of {unclear[0].numbers} is its layer cannot be told; "
            "choose by name, with include and exclude, instead of layers"
        )
    known = sorted({module.layer for module in attention if module.layer is not None})
    if missing := sorted(wanted - set(known)):
        shared = [registry.tie(alias) for alias in registry.aliases if f".{missing[0]}." in f".{alias}"]
        raise ValueError(
            f"no attention module in layer {missing[0]}; there are layers: {_spans(known) or 'none with a number'}"
            f"{f' ({shared[0]})' if shared else ''}"
        )
    return [module for module in attention if module.layer in wanted]


def _spans(numbers: list[int]) -> str:
    """Numbers in order, neighbours as a span: 0–5, 8."""
    starts = [number for number in numbers if number - 1 not in numbers]
    stops = [number for number in numbers if number + 1 not in numbers]
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, stops, strict=True))
