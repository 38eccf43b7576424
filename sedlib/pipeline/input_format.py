"""What an input is, as files name it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputFormat:
    """How files name what an input is."""

    axes: tuple[str, ...]
    """Names of its axes; none for a single number."""
    dtype: str
    description: str
