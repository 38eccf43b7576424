"""JSON that every reader takes: what is absent is null, and no number is NaN or infinite."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from sedlib.base.errors import UserError


def json_text(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON.

    Raises
    ------
    UserError
        A number in it is not finite, for which JSON has no word; the message names its place.

    Examples
    --------
    >>> json_text({"mean": 1.5, "low": None})
    '{"mean": 1.5, "low": null}'
    """
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError as error:
        places = ", ".join(f"{place or 'the value'} is {number}" for place, number in _not_finite(value, ""))
        raise UserError(
            f"only finite numbers can be written as JSON, with null for what is absent; {places or error}"
        ) from error


def _not_finite(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        inside = list(value.items())
    elif isinstance(value, list | tuple):
        inside = list(enumerate(value))
    else:
        inside = []
    for key, held in inside:
        yield from _not_finite(held, f"{place}.{key}" if place else str(key))
    if isinstance(value, float) and not math.isfinite(value):
        yield place, value
