"""What every refusal of the library is: a ValueError that names what it is about, short enough to be read."""

from collections.abc import Callable

import pytest

LINES, CHARACTERS = 10, 600


def refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    text = str(caught.value)
    assert len(text) <= CHARACTERS, text
    assert text.count("\n") < LINES, text
