"""Which of a run's curves a number is of: a stream's longest window, the gradient's last row alone.

This module is apart from the numbers of all runs, so that a run's own stage does not depend on those.
"""

from collections.abc import Mapping
from typing import Any

from sedlib.report.numbers.summary import by_stream_and_window, stream_key
from sedlib.terms.stream_names import UPDATE, gradient_of


def update_of(_: str) -> str:
    """All operations have one update."""
    return UPDATE


def longest_window(numbers: Mapping[str, Any], stream: str) -> Mapping[str, Any]:
    """The stream's numbers for its longest window, from those of one operation of a run."""
    by_window = {
        window: found for (name, window), found in by_stream_and_window(numbers["streams"]).items() if name == stream
    }
    found: Mapping[str, Any] = by_window[max(by_window)]
    return found


def gradient_alone(numbers: Mapping[str, Any], op: str) -> Mapping[str, Any]:
    """Numbers of the gradient's last row alone, a window of one, from those of one operation of a run."""
    found: Mapping[str, Any] = numbers["streams"][stream_key(gradient_of(op), 1)]
    return found
