"""Rows of one step on their way into a folder, where some may be already.

Shapes: rows are ``[params]``. Units: those of the rows; distances are relative.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import listed
from sedlib.models.gradient_sums import broken_slots
from sedlib.own.row_folder import EVERY, RowFolder
from sedlib.own.step_file import DTYPES, RowFolderError
from sedlib.terms.stream_names import UPDATE

SAME = 1e-3
"""Relative distance up to which two rows are one: an order of sums moves a row by less, another batch by far more."""


@dataclass
class StepRows:
    """What the folder has of a step, and what comes to it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sedlib.vectors import ParamLayout
    >>> folder = RowFolder(Path(tempfile.mkdtemp()), ParamLayout(("weight",), ((2,),)))
    >>> found = StepRows.of(folder, 100)
    >>> found.put("update", torch.tensor([3.0, 4.0]))
    >>> found.write()
    >>> again = StepRows.of(folder, 100)
    >>> again.put("update", torch.tensor([3.0, 4.0]))  # is there, and the same
    >>> again.put("update", torch.tensor([3.0, 4.5]))
    Traceback (most recent call last):
    sedlib.own.step_file.RowFolderError: ...'update' is there, and differs by 0.1 of its norm: ...
    """

    folder: RowFolder
    step: int
    there: set[str] = field(default_factory=set)
    """Streams that have a row, or a reason for none."""
    rows: dict[str, Tensor] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: RowFolder, step: int) -> "StepRows":
        """A step that may be there."""
        file = folder.at(step)
        return cls(folder, step, {*file.names, *file.left_out} if file.path.exists() else set())

    def put(self, name: str, row: Float[Tensor, " params"], slack: float = 0.0) -> None:
        """Keep a row, leave it out where it is not finite, or compare it with what is there.

        Raises
        ------
        RowFolderError
            Another row is there: their distance is more than rounding and ``slack``; or one of the two is not finite.
        """
        broken = broken_slots(row, self.folder.layout)
        if name in self.there and bool(broken) == (name in (held := self.folder.names(self.step))):
            now, then = ("not finite", "finite") if name in held else ("finite", "left out")
            raise self._other(f"{name!r} is {now}, and it was {then} when the rows there were taken")
        if broken:
            self.leave_out(name, f"not finite in {listed(broken)}")
        elif name not in self.there:
            self.rows[name] = self.folder.as_kept(row)
        else:
            self._require_same(name, [self.step], row, slack)

    def require_way(self, steps: Sequence[int], way: Float[Tensor, " params"], slack: float) -> None:
        """Compare the way between two checkpoints with the updates that are there, this step's the last of them.

        A step at which parameters were not finite has none, and the next one goes on from the step before it. Where
        another update is missing nothing is compared.

        Raises
        ------
        RowFolderError
            The updates lead elsewhere.
        """
        whole = [step for step in steps if EVERY not in self.folder.at(step).left_out]
        if whole and all(UPDATE in self.folder.names(step) for step in whole):
            self._require_same(UPDATE, whole, way, slack)

    def _require_same(self, name: str, steps: Sequence[int], row: Tensor, slack: float) -> None:
        off, allowed = distance(self.folder, steps, name, row), tolerance(self.folder)
        if not off <= max(allowed, slack / float(row.norm().clamp(min=1e-30))):
            what = "is there, and differs" if len(steps) == 1 else f"of {len(steps):,} steps is there, and differs"
            raise self._other(f"{name!r} {what} by {off:.2g} of its norm")

    def _other(self, problem: str) -> RowFolderError:
        return RowFolderError(
            f"{self.folder.path}, step {self.step:,}: {problem}: the folder is of other checkpoints, losses, batches "
            "or seed; choose another one by rows=, or delete it"
        )

    def leave_out(self, name: str, reason: str) -> None:
        """Keep no row, and warn."""
        if name not in self.there:
            self.left_out[name] = reason
        what = "no row is" if name == EVERY else f"{name!r} is not"
        warnings.warn(f"step {self.step:,}: {what} taken: {reason}", stacklevel=4)

    def write(self) -> None:
        """What came, beside what is there."""
        if not self.there:
            self.folder.append(self.step, self.rows, self.left_out)
        elif self.rows or self.left_out:
            self.folder.add(self.step, self.rows, self.left_out)


def distance(folder: RowFolder, steps: Sequence[int], name: str, row: Float[Tensor, " params"]) -> float:
    """Distance of a row from that in the folder, or from the sum of several, relative to its norm, or to theirs.

    It is 0 where both are 0.
    """
    rest, norm = folder.as_kept(row).cpu().double(), 0.0
    for step in steps:
        there = folder.row(step, name).double()
        rest, norm = rest - there, norm + float(torch.linalg.vector_norm(there))
    off = float(torch.linalg.vector_norm(rest))
    return off / norm if norm else (math.inf if off else 0.0)


def tolerance(folder: RowFolder) -> float:
    """Distance up to which two rows are one, in the folder's dtype."""
    return max(SAME, torch.finfo(DTYPES[folder.dtype]).eps)
