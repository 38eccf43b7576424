"""The gradients file: the row streams of a run, and the networks at the measured checkpoints.

Shapes: a stream's rows are ``[rows, params]``, a row per checkpoint, over the attention slots.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from sedlib.base.store import UNREADABLE, Dataset, Schema
from sedlib.pipeline.rows.row_dtypes import ScaledRows

_ROWS, _ARRIVALS = ("steps", "params"), ("intervals", "params")
_GRADIENT = Dataset(
    _ROWS,
    "float32",
    "loss gradient at each checkpoint, by operation; `gradient/total` is their sum where there are several",
)
LADDER = {
    "minibatch-gradient": Dataset(
        _ROWS, "float32", "clipped gradient of the summed losses on the training batch of the step that follows"
    ),
    "momentum": Dataset(_ARRIVALS, "float32", "AdamW's first moment after the step that led to the checkpoint"),
    "adam-direction": Dataset(
        _ARRIVALS, "float32", "that moment, bias-corrected and divided by the root of the second"
    ),
    "step-without-decay": Dataset(_ARRIVALS, "float32", "the same times minus the learning rate"),
    "step": Dataset(_ARRIVALS, "float32", "the step that led to the checkpoint, weight decay included"),
    "update-without-decay": Dataset(_ARRIVALS, "float32", "the update, what weight decay did over its steps taken out"),
}
"""The estimator ladder's rows, from the gradient towards the update."""
GRADIENTS = Schema(
    "gradients",
    3,
    "dump",
    {
        "steps": Dataset(("steps",), "int64", "as in the checkpoints"),
        "batch": Dataset(("batch", "operands"), "int64", "the fixed pairs that every gradient is taken on"),
        "gradient/*": _GRADIENT,
        "update": Dataset(
            _ARRIVALS,
            "float32",
            "difference of the attention slots between successive checkpoints",
        ),
        **{f"ladder/{name}": dataset for name, dataset in LADDER.items()},
        "measured": Dataset(("measured",), "int64", "indices of the checkpoints at which centroids are measured"),
        "state/*": Dataset(("measured", "..."), "float32", "every parameter of the model at those, by name"),
        "split/train": Dataset(("train_pairs", "operands"), "int64", "as in the checkpoints"),
    },
    shared_axes=frozenset({"steps", "params", "measured"}),
)
_ROW_DATASETS = {name: dataset for name, dataset in GRADIENTS.datasets.items() if "params" in dataset.axes}
SCALED_GRADIENTS = replace(
    GRADIENTS,
    datasets={
        **GRADIENTS.datasets,
        **{name: replace(dataset, dtype="float16") for name, dataset in _ROW_DATASETS.items()},
        **{
            f"scale/{name}": Dataset(dataset.axes[:1], "float32", "what each row was divided by")
            for name, dataset in _ROW_DATASETS.items()
        },
    },
)
"""The same with rows in float16. Those in bfloat16 HDF5 itself reads as float32, as ``GRADIENTS`` has them."""


@dataclass(frozen=True)
class Stream:
    """One stream, of an open gradients file or in memory."""

    name: str
    rows: h5py.Dataset | ScaledRows | np.ndarray
    first_checkpoint: int
    """Checkpoint of row 0: an update, or a step, belongs to the checkpoint it leads to."""

    @property
    def op(self) -> str | None:
        """The operation whose loss the stream belongs to; none for a stream that all operations share."""
        kind, _, op = self.name.partition("/")
        return op if kind == "gradient" and op != "total" else None


@contextmanager
def open_gradients(path: Path) -> Iterator[h5py.File]:
    """The gradients file at ``path``, checked against the schema of the dtype that it says its rows have.

    Raises
    ------
    ArtifactError
        The file breaks the schema.
    """
    schema = SCALED_GRADIENTS if _declared_dtype(path) == "float16" else GRADIENTS
    with schema.open(path) as file:
        yield file


def _declared_dtype(path: Path) -> str | None:
    """As the file's settings have it; none where it has no such settings, which the schema says better."""
    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs["settings"])["dtype"]
    except UNREADABLE:
        return None


def read_streams(file: h5py.File) -> Iterator[Stream]:
    """The streams of an open gradients file: update, each operation's gradient, their total, the ladder's.

    Raises
    ------
    ArtifactError
        A stream is missing, or has not a row for each checkpoint, or for each interval between two.
    """
    ops = json.loads(file.attrs["run"])["run"]["ops"]
    gradients = [f"gradient/{name}" for name in ([*ops, "total"] if len(ops) > 1 else ops)]
    for name in ["update", *gradients, *(f"ladder/{rung}" for rung in LADDER)]:
        if name not in file:
            raise GRADIENTS.error(file.filename, f"no dataset {name!r}")
        rows = file[name]
        first_checkpoint = 1 if GRADIENTS.datasets.get(name, _GRADIENT).axes == _ARRIVALS else 0
        if len(rows) != len(file["steps"]) - first_checkpoint:
            raise GRADIENTS.error(file.filename, f"{len(rows)} rows of {name!r} for {len(file['steps'])} checkpoints")
        scale = file.get(f"scale/{name}")
        yield Stream(name, rows if scale is None else ScaledRows(rows, scale[:]), first_checkpoint)
