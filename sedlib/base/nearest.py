"""Lists names in a message: all where they are few, else the nearest to what was asked for and the number of others."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 6
LONGEST = 80
"""Characters of a name."""


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
        return ", ".join(map(_cut, every)) or "none"
    near = get_close_matches(wanted.replace("*", "")[:LONGEST], every, n=SHOWN, cutoff=0.4)
    shown = [*near, *(name for name in every if name not in near)][:SHOWN]
    return f"{', '.join(map(_cut, shown))} and {len(every) - len(shown):,} others"


def _cut(name: str) -> str:
    """The end of a long name, which tells more than its beginning."""
    return name if len(name) <= LONGEST else f"…{name[-LONGEST:]}"
