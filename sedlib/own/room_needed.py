"""What a measurement will take, before any work: refused where it does not fit."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil
from torch import nn

from sedlib.base.errors import UserError
from sedlib.models.tensors import places
from sedlib.own.step_file import DTYPES
from sedlib.vectors import ParamLayout

FLOAT = 4
"""Bytes of a value in memory."""
VECTORS = 8
"""Vectors of the slots' size in memory at once: θ, its two moved copies, a basis of three directions, two drawn."""
FREE = 0.9
"""Of what is free: how much may be taken."""


@dataclass(frozen=True)
class Room:
    """Bytes that a measurement takes."""

    memory: int
    disk: int
    passes: int
    """Gradients to take, and pairs of centroids to compute: what the time is made of."""

    def __str__(self) -> str:
        """As a line of a message."""
        return f"{self.memory / 1e9:,.2f} GB of memory, {self.disk / 1e9:,.2f} GB of disk, {self.passes:,} passes"


def room_needed(
    module: nn.Module, layout: ParamLayout, checkpoints: int, rows_each: int, directions: int, dtype: str = "float32"
) -> Room:
    """What the rows of a run and the responses at its checkpoints take, besides the activations of a batch.

    Memory is two copies of the network (a state and its float32 values) and eight vectors of the slots; disk is
    ``rows_each`` rows of the slots at each checkpoint.

    Examples
    --------
    >>> module = nn.Linear(1000, 1000, bias=False)
    >>> room = room_needed(module, ParamLayout.select(module, "*"), checkpoints=10, rows_each=3, directions=50)
    >>> room.memory, room.disk, room.passes
    (40000000, 120000000, 530)
    """
    values = sum(tensor.numel() for tensor in places(module).values())
    memory = FLOAT * (2 * values + VECTORS * layout.size)
    disk = checkpoints * rows_each * layout.size * DTYPES[dtype].itemsize
    return Room(memory, disk, checkpoints * (rows_each + directions))


def require_room(room: Room, folder: Path) -> None:
    """Refuse what does not fit.

    Raises
    ------
    UserError
        Memory or disk is too small; the message says what can be made smaller.
    """
    memory, disk = psutil.virtual_memory().available, shutil.disk_usage(folder).free
    if room.memory > FREE * memory:
        raise UserError(
            f"the measurement takes {room}, and {memory / 1e9:,.2f} GB of memory are free: choose fewer slots (layers, "
            "heads), or a machine with more"
        )
    if room.disk > FREE * disk:
        raise UserError(
            f"the measurement takes {room}, and {disk / 1e9:,.2f} GB of disk are free at {folder}: choose dtype = "
            "'bfloat16', permutations = 0, fewer checkpoints or slots, or another folder by rows="
        )
