"""The row streams of a run as its gradients file holds them.

Shapes: a stream's rows are ``[rows, params]``, a row per checkpoint, over the attention slots.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import h5py

from sedlib.store import Dataset, Schema

GRADIENTS = Schema(
    "gradients",
    1,
    "dump",
    {
        "steps": Dataset(("steps",), "int64", "as in the checkpoints"),
        "batch": Dataset(("batch", "operands"), "int64", "the fixed pairs that every gradient is taken on"),
        "gradient/*": Dataset(
            ("steps", "params"),
            "float32",
            "loss gradient at each checkpoint, by operation; `gradient/total` is their sum where there are several",
        ),
        "update": Dataset(
            ("intervals", "params"),
            "float32",
            "difference of the attention slots between successive checkpoints",
        ),
    },
)


@dataclass(frozen=True)
class Stream:
    """One stream of an open gradients file."""

    name: str
    rows: h5py.Dataset
    first_checkpoint: int
    """Checkpoint of row 0: an update belongs to the checkpoint it leads to."""

    @property
    def op(self) -> str | None:
        """The operation whose loss the stream belongs to; none for update and gradient/total."""
        kind, _, op = self.name.partition("/")
        return op if kind == "gradient" and op != "total" else None


def read_streams(file: h5py.File) -> Iterator[Stream]:
    """The streams of an open gradients file: update, each operation's gradient, their total.

    Raises
    ------
    ArtifactError
        A stream is missing, or there is not one update between each two checkpoints.
    """
    intervals = len(file["steps"]) - 1
    if len(file["update"]) != intervals:
        raise GRADIENTS.error(file.filename, f"{len(file['update'])} updates for {intervals} intervals")
    yield Stream("update", file["update"], first_checkpoint=1)
    ops = json.loads(file.attrs["run"])["run"]["ops"]
    for name in [*ops, "total"] if len(ops) > 1 else ops:
        if name not in file["gradient"]:
            raise GRADIENTS.error(file.filename, f"no dataset 'gradient/{name}'")
        yield Stream(f"gradient/{name}", file[f"gradient/{name}"], first_checkpoint=0)
