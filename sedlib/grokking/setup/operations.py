"""The operations modulo p that a run can learn. A new one is a line here."""

from collections.abc import Callable, Iterable
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


OPERATIONS = {
    "add": Operation("a + b", lambda a, b: a + b),
    "sub": Operation("a − b", lambda a, b: a - b),
    "mul": Operation("a · b", lambda a, b: a * b, nonzero=True, multiplicative=True),
    "sq": Operation("a² + b²", lambda a, b: a * a + b * b),
    "quad": Operation("a² + ab + b²", lambda a, b: a * a + a * b + b * b),
    "cubic": Operation("a³ + ab", lambda a, b: a * a * a + a * b),
}


def train_size(n_pairs: int, train_fraction: float) -> int:
    """Number of training pairs among ``n_pairs``."""
    return round(train_fraction * n_pairs)


def operands(ops: Iterable[str], p: int) -> range:
    """Values of a and of b; one operation with nonzero operands keeps zero out for all, as inputs are shared."""
    return range(1 if any(OPERATIONS[op].nonzero for op in ops) else 0, p)
