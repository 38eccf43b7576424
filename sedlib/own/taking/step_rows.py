"""Rows of one step on their way into a folder, where some may be already.

Shapes: rows are ``[params]``. Units: those of the rows; distances are relative.
"""

import math
import warnings
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import listed
from sedlib.models.gradient_sums import broken_slots
from sedlib.own.row_folder import EVERY, RowFolder
from sedlib.own.step_file import DTYPES, RowFolderError

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
        """Keep a row, leave it out where it is not finite, or compare it with the one that is there.

        Raises
        ------
        RowFolderError
            Another row is there: their distance is more than rounding and ``slack``.
        """
        if broken := broken_slots(row, self.folder.layout):
            self.leave_out(name, f"not finite in {listed(broken)}")
        elif name not in self.there:
            self.rows[name] = self.folder.as_kept(row)
        elif name in self.folder.names(self.step) and not (off := distance(self.folder, self.step, name, row)) <= max(
            tolerance(self.folder), slack / float(row.norm().clamp(min=1e-30))
        ):
            raise RowFolderError(
                f"{self.folder.path}, step {self.step:,}: {name!r} is there, and differs by {off:.2g} of its norm: the "
                "folder is of other checkpoints, losses, batches or seed; choose another one by rows=, or delete it"
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


def distance(folder: RowFolder, step: int, name: str, row: Float[Tensor, " params"]) -> float:
    """Distance of a row from the one in the folder, relative to that one's norm; 0 where both are 0."""
    there, now = folder.row(step, name).double(), folder.as_kept(row).cpu().double()
    off, norm = torch.linalg.vector_norm(now - there), torch.linalg.vector_norm(there)
    return float(off / norm) if norm else (math.inf if off else 0.0)


def tolerance(folder: RowFolder) -> float:
    """Distance up to which two rows are one, in the folder's dtype."""
    return max(SAME, torch.finfo(DTYPES[folder.dtype]).eps)
