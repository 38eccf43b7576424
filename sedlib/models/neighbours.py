r"""Neighbours of a probe, over which a local centroid is a mean.

The local centroid of h is :math:`\bar c(h) = \operatorname{mean}_j c(h + \delta_j)`: where c jumps from one linear
piece of the network to the next (ReLU), it is the mixture of the pieces around h. Source: Walker et al., arXiv
2604.11962, and ``LocalCentroids`` in the code that its authors released.

Shapes: h is ``[probes, ...]``, offsets δ given one by one ``[neighbours, probes, ...]``. Units: those of h.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.border.checked import require_fields
from sedlib.base.randomness import generator


@dataclass(frozen=True)
class Neighbours:
    r"""Gaussian neighbours, :math:`\delta_j = \rho \lVert h \rVert g / \sqrt n` with n numbers g ~ N(0, 1).

    n is the size of one probe's h, so that the root mean square length of δ is ρ‖h‖. A probe has the same g whichever
    other probes are measured, and at every θ and checkpoint; ‖h‖ is the checkpoint's. h itself is not among them.

    Source: the authors' code draws 10 or 30 neighbours of an image x with standard deviation 0.15 (max x − min x), and
    24 of embedded tokens with 0.05 times their standard deviation. The defaults here are the second, about.

    Raises
    ------
    ValueError
        There is no neighbour, or the radius is not positive.

    Examples
    --------
    >>> around, h = Neighbours(count=500, radius=0.1), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    >>> offsets = torch.stack(list(around.offsets(h)))
    >>> offsets.shape, round(float(offsets[:, 0].norm(dim=1).square().mean().sqrt()), 1)  # a tenth of 5
    (torch.Size([500, 2, 2]), 0.5)
    >>> bool((torch.stack(list(around.from_probe(1).offsets(h[1:]))) == offsets[:, 1:]).all())
    True
    """

    count: int = 24
    """Neighbours of each probe."""
    radius: float = 0.05
    """ρ: how far they are from h, relative to ‖h‖."""
    seed: int = 0
    """Chooses the random numbers."""
    first_probe: int = 0
    """Number of the first probe that they are asked for, among all."""

    def __post_init__(self) -> None:
        require_fields(self)
        if self.count < 1 or not 0 < self.radius < float("inf"):
            raise ValueError(
                f"neighbours: expected a count of at least 1 and a positive radius, got {self.count} and {self.radius}"
            )

    def from_probe(self, number: int) -> "Neighbours":
        """Those of the probes from the one of that number on."""
        return replace(self, first_probe=self.first_probe + number)

    def offsets(self, h: Float[Tensor, "probes ..."]) -> Iterator[Float[Tensor, "probes ..."]]:
        """δ of all probes, one neighbour after another; drawn on the CPU, one in memory at a time.

        Raises
        ------
        ValueError
            The seed is no whole number.
        """
        sizes = self.radius * h.detach().flatten(1).norm(dim=1) / h[0].numel() ** 0.5
        numbers = range(self.first_probe, self.first_probe + len(h))
        drawn = [generator(self.seed, f"neighbours of probe {number}") for number in numbers]
        for _ in range(self.count):
            normal = torch.stack([torch.randn(h.shape[1:], generator=each) for each in drawn])
            yield normal.to(h) * sizes.reshape(-1, *[1] * (h.ndim - 1))


Around = Neighbours | Tensor
"""Neighbours that are drawn, or the offsets themselves, ``[neighbours, probes, ...]``."""


def some_of(around: Around | None, probes: slice) -> Around | None:
    """The neighbours of some of the probes.

    Examples
    --------
    >>> some_of(torch.zeros(5, 8, 2), slice(3, 6)).shape, some_of(Neighbours(), slice(3, 6)).first_probe
    (torch.Size([5, 3, 2]), 3)
    """
    if isinstance(around, Neighbours):
        return around.from_probe(probes.start)
    return None if around is None else around[:, probes]


def mean_around(
    around: Around | None, function: Callable[[Tensor], Tensor], h: Tensor, like: Tensor, *, first: bool = False
) -> Tensor:
    """Mean of ``function(h + δ)`` over the neighbours, one at a time; ``function(h)`` where there are none.

    ``like`` is the h whose length decides how far δ is; ``first`` takes one neighbour alone.

    Raises
    ------
    ValueError
        Offsets are not of the shape of h.

    Examples
    --------
    >>> h = torch.tensor([[1.0], [3.0]])
    >>> mean_around(torch.tensor([[[-2.0], [0.0]], [[0.0], [0.0]]]), torch.relu, h, h).tolist()  # of −1 and 1, 3 and 3
    [[0.5], [3.0]]
    """
    if around is None:
        return function(h)
    if isinstance(around, Tensor) and around.shape[1:] != like.shape:
        raise ValueError(
            f"around: expected offsets [neighbours, *{list(like.shape)}], as h has, got {list(around.shape)}"
        )
    offsets = around.offsets(like) if isinstance(around, Neighbours) else iter(around.to(like))
    total, count = function(h + next(offsets)), 1
    for offset in () if first else offsets:
        total, count = total + function(h + offset), count + 1
    return total / count
