"""Lists names in a message: all where they are few, else the nearest to what was asked for and the number of others."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 6


def nearest(wanted: str, names: Iterable[str]) -> str:
    """The ``names``, or where they are many those most like ``wanted``, and how many others there are.

    Examples
    --------
    >>> nearest("weigth", ["bias", "weight"])
    'bias, weight'
    >>> nearest("layer.7.weight", [f"layer.{i}.{kind}" for i in range(40) for kind in ("weight", "bias")])[:30]
    'layer.7.weight, layer.37.weigh'
    """
    every = list(names)
    if len(every) <= SHOWN:
        return ", ".join(every) or "none"
    near = get_close_matches(wanted.replace("*", ""), every, n=SHOWN, cutoff=0.4)
    shown = [*near, *(name for name in every if name not in near)][:SHOWN]
    return f"{', '.join(shown)} and {len(every) - len(shown):,} others"
