"""The processes of a run that ``torch.distributed`` joins: what each has is added up, and what one refuses all do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from sedlib.base.errors import UserError
from sedlib.models.gradient_sums import GradientSum


@dataclass(frozen=True)
class Processes:
    """All processes of the default group; this one alone where there is none.

    Examples
    --------
    >>> Processes.joined(), Processes.joined().gathered("mine")
    (Processes(rank=0, size=1), ['mine'])
    """

    rank: int
    size: int

    @classmethod
    def joined(cls) -> "Processes":
        """The processes as ``torch.distributed`` has them now."""
        if not distributed.is_available() or not distributed.is_initialized():
            return cls(0, 1)
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def gathered(self, value: Any) -> list[Any]:
        """What each has, in the order of the ranks; small values only."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """An error inside is raised in every process: one that goes on alone would wait for the others for ever.

        Raises
        ------
        UserError
            Another process had an error; the message names it.
        """
        mine: Exception | None = None
        try:
            yield
        except Exception as error:
            mine = error
        texts = self.gathered(mine and f"{type(mine).__name__}: {mine}")
        if mine:
            raise mine
        for rank, text in enumerate(texts):
            if text:
                raise UserError(f"process {rank} of {self.size}: {text}")

    def added(self, sums: Mapping[str, GradientSum], size: int, like: Tensor) -> dict[str, GradientSum]:
        """Sums over all processes, of which some may have no batch."""
        if self.size == 1:
            return dict(sums)
        tasks = dict.fromkeys(task for known in self.gathered(list(sums)) for task in known)
        return {task: self._added(sums.get(task), size, like) for task in tasks}

    def _added(self, mine: GradientSum | None, size: int, like: Tensor) -> GradientSum:
        row = mine.row.clone() if mine else like.new_zeros(size)
        count = torch.tensor(mine.count if mine else 0.0, dtype=torch.float64, device=row.device)
        distributed.all_reduce(row)
        distributed.all_reduce(count)
        return GradientSum(row, float(count))
