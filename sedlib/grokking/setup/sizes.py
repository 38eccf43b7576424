"""How many bytes the largest arrays of a run take, before any is asked for. No torch: parameters are checked with it.

Numbers take four bytes where nothing else is said. The estimates are of what grows; a machine needs more than they say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sedlib.pipeline.parameters.limits import MEMORY

TOKENS = 2
MATRICES = 4
"""Of attention in a layer: W_Q, W_K, W_V and W_O."""


class Size(NamedTuple):
    """An array, or several that are there together."""

    what: str
    shape: str
    """In words, with the parameters that it follows from."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class NetworkSizes:
    """A run's network, in numbers."""

    d_model: int
    d_ff: int
    heads: int
    layers: int
    p: int
    tasks: int

    @property
    def attention(self) -> int:
        """N: parameters of the attention matrices."""
        return MATRICES * self.d_model**2 * self.layers

    @property
    def parameters(self) -> int:
        """Of the whole network: embeddings, layers with their biases and norms, last norm, a head for each task."""
        d, ff = self.d_model, self.d_ff
        layer = MATRICES * d**2 + 2 * d * ff + 9 * d + ff
        return (self.p + TOKENS) * d + self.layers * layer + 2 * d + self.tasks * (d + 1) * self.p

    def of_examples(self, what: str, key: str, count: int) -> Size:
        """What the network computes of ``count`` examples, and keeps for the gradient."""
        each = TOKENS * self.layers * (10 * self.d_model + 3 * self.d_ff) + self.tasks * self.p
        return Size(what, f"{key} = {count:,} by {each:,} intermediate numbers", 4 * count * each)

    def training(self, batch_size: int) -> Iterator[Size]:
        """What training holds."""
        shape = f"weights, gradient and two moments of {self.parameters:,} parameters"
        yield Size("training", shape, 16 * self.parameters)
        yield self.of_examples("a training batch", "optimizer.batch_size", batch_size)
        numbers = TOKENS + self.tasks
        yield Size("all pairs", f"data.p = {self.p:,} squared by {numbers} numbers", 8 * self.p**2 * numbers)
        distinct = TOKENS * self.p
        yield Size("attention", f"model.heads = {self.heads:,} by {distinct:,}²", 4 * self.heads * distinct**2)


def size_problem(sizes: Iterable[Size]) -> str | None:
    """Why the first of ``sizes`` that is too large cannot be; None where none is.

    >>> size_problem([Size("rows", "3,000 checkpoints by 10,000,000", 120 * 10**9)])
    'rows would take 111.8 GiB (3,000 checkpoints by 10,000,000), and at most 64 GiB are allowed; choose less'
    """
    for found in sizes:
        if found.size > MEMORY.most:
            return (
                f"{found.what} would take {found.size / 2**30:,.1f} GiB ({found.shape}), "
                f"and at most {MEMORY.most // 2**30} GiB are allowed; choose less"
            )
    return None
