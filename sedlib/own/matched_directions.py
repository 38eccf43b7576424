r"""Random directions whose part in each slot is as long as that of a given direction: a null for "which layers".

With :math:`v = (v_1, \dots, v_S)` by slot, a matched direction is
:math:`r_s = \lVert v_s \rVert\, g_s / \lVert g_s \rVert` with Gaussian g: it has the norm of v, and
what v says of a slot beyond its share is gone. None of the papers has this null.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.vectors import ParamLayout


def matched_directions(
    basis: Float[Tensor, "rank params"], layout: ParamLayout, count: int, generator: torch.Generator
) -> Iterator[Float[Tensor, " params"]]:
    """``count`` random directions, matched to the first direction of the basis, the second, … and the first again.

    Drawn on the CPU, one at a time. Memory: two vectors.

    Examples
    --------
    >>> layout = ParamLayout(("first", "second"), ((2,), (2,)))
    >>> basis = torch.tensor([[0.6, 0.0, 0.8, 0.0]])
    >>> (drawn,) = matched_directions(basis, layout, 1, torch.Generator().manual_seed(0))
    >>> [round(float(part.norm()), 4) for part in drawn.split(2)]
    [0.6, 0.8]
    """
    for number in range(count):
        direction = basis[number % len(basis)].cpu()
        drawn = torch.randn(direction.shape, generator=generator, dtype=direction.dtype)
        for part, own in zip(drawn.split(layout.sizes), direction.split(layout.sizes), strict=True):
            part.mul_(own.norm() / part.norm())
        yield (drawn / drawn.norm()).to(basis.device)
