"""Random unit directions, drawn one at a time: any number of directions in the memory of one.

Shapes: a direction is ``[params]``. Units: none, a direction is of length 1.
"""

from collections.abc import Iterator, Sequence
from typing import overload

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.long_rows.long_sums import SUMMED, norms


class RandomDirections(Sequence[Float[Tensor, " params"]]):
    """Gaussian unit directions, independent and uniform on the sphere; ``random_directions`` makes it.

    A direction is drawn on the CPU when it is read, and is the same at each read. Memory: one direction, and 5 kB for
    each direction drawn so far.

    Examples
    --------
    >>> directions = RandomDirections(count=2, size=4, state=torch.Generator().manual_seed(0).get_state())
    >>> torch.equal(directions[1], tuple(directions)[1])
    True
    """

    def __init__(self, count: int, size: int, state: Tensor) -> None:
        self._count, self.size = count, size
        self._states = [state]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Float[Tensor, " params"]]:
        return map(self._drawn, range(self._count))

    @overload
    def __getitem__(self, index: int) -> Float[Tensor, " params"]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Float[Tensor, " params"]]: ...

    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        """One direction, or a list of several, which are then in memory together."""
        chosen = range(self._count)[index]
        return self._drawn(chosen) if isinstance(chosen, int) else [self._drawn(number) for number in chosen]

    def _drawn(self, number: int) -> Float[Tensor, " params"]:
        while len(self._states) <= number:
            self._draw(len(self._states) - 1)
        return self._draw(number)

    def _draw(self, number: int) -> Float[Tensor, " params"]:
        generator = torch.Generator()
        generator.set_state(self._states[number])
        values = torch.randn(self.size, generator=generator)
        if number + 1 == len(self._states):
            self._states.append(generator.get_state())
        # One sum of float32 squares makes a norm of 1e8 numbers a per cent too short.
        return values.div_(values.norm() if self.size <= SUMMED else norms(values[None])[0])


@checked(size="layout.size is that of a ParamLayout")
def random_directions(count: int, size: int, generator: torch.Generator) -> RandomDirections:
    """Gaussian unit directions r, independent and uniform on the sphere, to compare the response of a basis with.

    The directions are a seeded sequence: iterate, index or slice it as often as you like, and each direction is the
    same. ``torch.stack(tuple(directions))`` is ``[count, params]``. The sequence takes one seed from the generator, so
    that later draws from the generator repeat no direction. Source: arXiv 2604.25143, equation 6.

    Raises
    ------
    ValueError
        The count or the size is less than 1.

    Examples
    --------
    >>> directions = random_directions(3, 1000, torch.Generator().manual_seed(0))
    >>> len(directions), directions[-1].shape, round(float(directions[0].norm()), 5)
    (3, torch.Size([1000]), 1.0)
    >>> all(torch.equal(first, again) for first, again in zip(directions, directions, strict=True))
    True
    """
    if count < 1 or size < 1:
        raise ValueError(f"count and size of random directions must be at least 1, got {count} and {size}")
    state = generator.get_state()
    generator.manual_seed(int(torch.randint(2**63 - 1, (), generator=generator)))
    return RandomDirections(count, size, state)
