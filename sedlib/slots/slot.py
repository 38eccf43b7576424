"""One slot of a layout: a parameter or a part of one, with what an adapter adds to it.

Shapes: a parameter of which a slot is a part is a matrix ``[rows, columns]``; any other is of any shape.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LowRank:
    """What a LoRA adapter adds to a weight: s·BA, or its transpose where the weight is ``[inputs, outputs]``."""

    up: str
    """Name of B ``[outputs, rank]``."""
    down: str
    """Name of A ``[rank, inputs]``."""
    scale: float
    is_transposed: bool

    def of(self, values: Mapping[str, Tensor]) -> Tensor:
        """The matrix that is added."""
        product = self.scale * (values[self.up] @ values[self.down])
        return product.T if self.is_transposed else product


@dataclass(frozen=True)
class Slot:
    """Where in a module some elements of a vector lie.

    Examples
    --------
    >>> slot = Slot("weight", (3, 2), axis=1, ranges=((1, 2),))
    >>> slot.label, slot.part_shape
    ('weight[:, 1:2]', (3, 1))
    >>> slot.put(torch.ones(3, 1), {"weight": torch.zeros(3, 2)}).tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]
    """

    name: str
    shape: tuple[int, ...]
    """Of the whole parameter."""
    axis: int = 0
    ranges: Ranges = ()
    """Which rows (axis 0) or columns (axis 1) belong to it; empty: the whole parameter."""
    added: tuple[LowRank, ...] = ()
    """What adapters add; the slot is the sum."""

    @property
    def is_plain(self) -> bool:
        """Whether the slot is a whole parameter, and no more."""
        return not self.ranges and not self.added

    @property
    def label(self) -> str:
        """The parameter's name, with what of it is meant where that is not all."""
        where = "|".join(f"{start}:{stop}" for start, stop in self.ranges)
        part = f"[{':, ' * self.axis}{where}]" if where else ""
        return f"{self.name}{'+BA' * bool(self.added)}{part}"

    @cached_property
    def _index(self) -> Tensor:
        return torch.cat([torch.arange(start, stop) for start, stop in self.ranges])

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of the part."""
        if not self.ranges:
            return self.shape
        length = sum(stop - start for start, stop in self.ranges)
        return (*self.shape[: self.axis], length, *self.shape[self.axis + 1 :])

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of all parameters that its value is made of."""
        return (self.name, *(name for term in self.added for name in (term.up, term.down)))

    def take(self, values: Mapping[str, Tensor]) -> Tensor:
        """The part, of whole parameters by name."""
        whole = values[self.name]
        for term in self.added:
            whole = whole + term.of(values)
        return self._part(whole)

    def put(self, part: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The whole parameter whose part is ``part``: in its place, less what the adapters add; the rest as it was."""
        for term in self.added:
            part = part - self._part(term.of(values)).to(part)
        if not self.ranges:
            return part
        whole = values[self.name].to(part.device, torch.promote_types(values[self.name].dtype, part.dtype))
        return whole.index_copy(self.axis, self._index.to(part.device), part.to(whole.dtype))

    def _part(self, whole: Tensor) -> Tensor:
        return whole.index_select(self.axis, self._index.to(whole.device)) if self.ranges else whole

    def to_json(self) -> Any:
        """What ``from_json`` reads: the shape of a plain slot, a mapping of all fields else."""
        return list(self.shape) if self.is_plain else dict(zip(FIELDS, astuple(self), strict=True))

    @classmethod
    def from_json(cls, label: str, read: Any) -> "Slot":
        """Inverse of ``to_json``."""
        if isinstance(read, list):
            return cls(label, tuple(read))
        ranges = tuple((start, stop) for start, stop in read["ranges"])
        added = tuple(LowRank(*term) for term in read["added"])
        return cls(read["name"], tuple(read["shape"]), read["axis"], ranges, added)


FIELDS = tuple(Slot.__dataclass_fields__)
