"""The step of a checkpoint by its name, which must leave no doubt."""

import re
from collections.abc import Sequence
from pathlib import Path

from sedlib.base.errors import listed

NUMBER = r"(?P<number>\d+)(?P<more>[^\W_]|[.,_]\d)?"
"""A whole number, and what continues it, so that it is none: ``1k``, ``1.5``, ``1_000``."""
AFTER_A_WORD = re.compile(rf"(?P<word>step|iter|iteration|checkpoint|ckpt|global_step)s?[=_\-]?{NUMBER}", re.IGNORECASE)
ANYWHERE = re.compile(NUMBER)
EXTENSION = re.compile(r"\.[^\W\d_]\w*$")
"""Of a file: its digits (``.h5``) are no step."""


def steps_of(places: Sequence[Path]) -> list[int]:
    """The step in each name: the whole number after a word such as ``step`` or ``checkpoint``, the same word in all.

    Without such a word, the one number of the name, where names differ in that number alone.

    Raises
    ------
    ValueError
        A name has no step or could have several, two have the same, or they count in different ways.

    Examples
    --------
    >>> steps_of([Path("epoch=1-step=400.ckpt"), Path("run2_step000600.pt")]), steps_of([Path("epoch-3.pt")])
    ([400, 600], [3])
    """
    found = [counted(place) for place in places]
    if without := [place.name for place, pair in zip(places, found, strict=True) if pair is None]:
        raise ValueError(
            f"checkpoints: no step in the names {listed(without)}; give steps=[…], in the order of the files (a step "
            "is one whole number after a word such as step or checkpoint, or the only number of the name)"
        )
    ways, steps = zip(*filter(None, found), strict=True)
    if twice := sorted({step for step in steps if steps.count(step) > 1}):
        same = [place.name for place, step in zip(places, steps, strict=True) if step == twice[0]]
        raise ValueError(f"checkpoints: step {twice[0]:,} is in the names {listed(same)}; give steps=[…] or a glob")
    if len(set(ways)) > 1:
        differ = [places[ways.index(way)].name for way in dict.fromkeys(ways)]
        raise ValueError(
            f"checkpoints: expected names that count steps in one way, got {listed(differ)}; give steps=[…] or a glob"
        )
    return list(steps)


def counted(place: Path) -> tuple[str, int] | None:
    """How a name counts, by its word or else by the text around its one number, and its step; None if there is none.

    Examples
    --------
    >>> counted(Path("epoch=1-step=400.ckpt")), counted(Path("w-7.h5")), counted(Path("step-1.5.pt"))
    (('step', 400), ('w-#', 7), None)
    """
    name = place.name if place.is_dir() else EXTENSION.sub("", place.name)
    found = list(AFTER_A_WORD.finditer(name)) or list(ANYWHERE.finditer(name))
    if len(found) != 1 or found[0]["more"]:
        return None
    (match,) = found
    word = match.groupdict().get("word")
    return word.lower() if word else ANYWHERE.sub("#", name), int(match["number"])


def has_step_word(place: Path) -> bool:
    """Whether a name has a number after a word such as ``step``.

    Examples
    --------
    >>> has_step_word(Path("step-5.pt")), has_step_word(Path("rng_state_0.pth"))
    (True, False)
    """
    return AFTER_A_WORD.search(place.name) is not None
