"""Which operands a run has, and how many pairs of them it trains on. No torch: the parameters are checked with it."""

from collections.abc import Iterable
from math import isqrt

from sedlib.grokking.setup.operations import OPERATIONS


def train_size(n_pairs: int, train_fraction: float) -> int:
    """Number of training pairs among ``n_pairs``."""
    return round(train_fraction * n_pairs)


def modulus_problem(ops: Iterable[str], p: int) -> str | None:
    """Why operations modulo ``p`` have no group to multiply in; None where they have one, or need none."""
    nonzero = [op for op in ops if OPERATIONS[op].nonzero]
    if nonzero and any(p % divisor == 0 for divisor in range(2, isqrt(p) + 1)):
        return f"data.p = {p} is not prime, so that {nonzero[0]} has no group and no discrete logarithm; choose a prime"
    return None


def operands(ops: Iterable[str], p: int) -> range:
    """Values of a and of b; one operation with nonzero operands keeps zero out for all, as inputs are shared."""
    return range(1 if any(OPERATIONS[op].nonzero for op in ops) else 0, p)
