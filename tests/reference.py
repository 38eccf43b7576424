"""Restatements that tests alone need; those that ``sedlib selftest`` compares with too are in sedlib/selftest."""

from collections.abc import Mapping

from torch import Tensor


def projected(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a state dict under ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
