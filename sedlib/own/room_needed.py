"""What a measurement will take, before any work: refused where it does not fit."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sedlib.base.errors import UserError
from sedlib.models.tensors import places
from sedlib.own.memory_free import memory_free
from sedlib.own.row_folder import RowFolder
from sedlib.own.sketched_bases import WIDER
from sedlib.own.step_file import DTYPES

FLOAT = 4
"""Bytes of a value in memory."""
MOVED = 5
"""Vectors of the slots' size beside a basis while a response is measured: θ, its two moved copies, two drawn."""
TAKEN = 3
"""Vectors of the slots' size beside a step's rows while they are taken: θ, that of the step before, one in work."""
FREE = 0.9
"""Of what is free: how much may be taken."""


@dataclass(frozen=True)
class Room:
    """Bytes that a measurement takes."""

    memory: int
    disk: int

    def __str__(self) -> str:
        """As a line of a message."""
        return f"{_shown(self.memory)} of memory and {_shown(self.disk)} of disk"


def _shown(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"


def room_needed(module: nn.Module, folder: RowFolder, n_kept: int, n_tasks: int, n_rows: int, rank: int) -> Room:
    """What the rows of a run and the responses at its checkpoints take, besides the activations of a batch.

    Memory is two copies of the network (a state and its float32 values), and either the rows of a step or a basis,
    each with some vectors beside it. A step has ``n_rows`` rows. Disk is the ``n_kept`` rows, of all steps, that the
    folder does not have.

    Examples
    --------
    >>> import tempfile
    >>> from sedlib.vectors import ParamLayout
    >>> module = nn.Linear(1000, 1000, bias=False)
    >>> folder = RowFolder(Path(tempfile.mkdtemp()), ParamLayout.select(module, "*"))
    >>> room_needed(module, folder, n_kept=30, n_tasks=1, n_rows=3, rank=3)
    Room(memory=40000000, disk=120000000)
    """
    values = sum(tensor.numel() for tensor in places(module).values())
    at_once, kept = (n_tasks, WIDER * rank) if folder.sketch else (n_rows, rank)
    memory = FLOAT * (2 * values + max(at_once + TAKEN, kept + MOVED) * folder.layout.size)
    return Room(memory, n_kept * folder.size * DTYPES[folder.dtype].itemsize)


def require_room(room: Room, folder: Path) -> None:
    """Refuse what does not fit.

    Raises
    ------
    UserError
        Memory or disk is too small; the message says what can be made smaller.
    """
    memory, disk = memory_free(), shutil.disk_usage(folder).free
    if room.memory > FREE * memory:
        raise UserError(
            f"the measurement takes {room}, and {memory / 1e9:,.2f} GB of memory are free: choose fewer slots (layers, "
            "heads), fewer permutations, or a machine with more"
        )
    if room.disk > FREE * disk:
        raise UserError(
            f"the measurement takes {room}, and {disk / 1e9:,.2f} GB of disk are free at {folder}: choose dtype = "
            "'bfloat16', sketch = sedlib.CountSketch(10_000), permutations = 0, fewer checkpoints or slots, or another "
            "folder by rows="
        )
