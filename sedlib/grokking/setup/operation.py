"""What an operation modulo p is. The list of operations is in operations.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operation:
    """A binary operation, applied to whole numbers or arrays of them before the modulus is taken."""

    formula: str
    apply: Callable[[Any, Any], Any]
    nonzero: bool = False
    """Whether operands run from 1, as in the multiplicative group, and not from 0."""
    multiplicative: bool = False
    """Whether it is the group's product, whose Fourier basis is that of discrete logarithms."""
