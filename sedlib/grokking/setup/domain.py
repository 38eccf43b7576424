"""Which operands a run has, and how many pairs of them it trains on. No torch: the parameters are checked with it."""

from collections.abc import Iterable

from sedlib.grokking.setup.operations import OPERATIONS


def train_size(n_pairs: int, train_fraction: float) -> int:
    """Number of training pairs among ``n_pairs``."""
    return round(train_fraction * n_pairs)


def operands(ops: Iterable[str], p: int) -> range:
    """Values of a and of b; one operation with nonzero operands keeps zero out for all, as inputs are shared."""
    return range(1 if any(OPERATIONS[op].nonzero for op in ops) else 0, p)
