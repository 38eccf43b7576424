"""How large each parameter may be, and why: a value beyond is a slip of the pen, or asks for more than machines have.

Sizes that are too large together are refused by an estimate in bytes, which a study makes of its own network.
"""

from typing import NamedTuple


class Limit(NamedTuple):
    """The largest value that a parameter may have, and why; stands beside the type in its annotation."""

    most: int
    description: str
    """Of what it is a limit, and why; a word for readers, so that an edit of it runs no stage again."""


MEMORY = Limit(64 * 2**30, description="bytes that one stage holds at once: few machines have more")
STEPS = Limit(10**8, description="steps: a million take about an hour")
CHECKPOINTS = Limit(
    50_000, description="checkpoints of a run: the Gram matrix of as many rows takes 20 GB, its eigenvalues a day"
)
EXAMPLES = Limit(10**7, description="examples: what a network computes of each is held at once")
WINDOW = Limit(10_000, description="rows of a window: each window takes an eigendecomposition of its size")
COUNT = Limit(10_000, description="draws: a mean over as many varies by 1 %")
WIDTH = Limit(65_536, description="width of a layer: a square matrix of it takes 16 GB")
LAYERS = Limit(1_000, description="layers, or heads of one")
MODULUS = Limit(10_000, description="modulus p: there are p² pairs")
PARAMETERS = Limit(
    MEMORY.most // 16, description="coordinates: no larger network can be trained, which takes 16 bytes for each"
)
RUNS = Limit(1_000, description="runs: DVC takes seconds in each command for a hundred")
VALUES = Limit(100, description="values in a list: each is measured, or trained, on its own")
CELLS = Limit(
    10_000,
    description="cells that lists ask for, trained or measured one by one: DVC reads all of them in each command",
)
RATE = Limit(1_000, description="size of a step: no loss is finite after a larger one")
SCALE = Limit(10**6, description="factor on weights, gradients or steps")
LIMITS = (
    *(MEMORY, STEPS, CHECKPOINTS, EXAMPLES, WINDOW, COUNT, WIDTH, LAYERS, MODULUS),
    *(PARAMETERS, RUNS, VALUES, CELLS, RATE, SCALE),
)
"""All of them, as docs/parameters.md lists them."""
