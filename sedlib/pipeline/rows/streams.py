"""The gradients file: the row streams of a run, and the networks at the measured checkpoints.

Shapes: a stream's rows are ``[rows, params]``, a row per checkpoint, over the slots.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from sedlib.base.store import UNREADABLE, Dataset
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.rows.row_dtypes import RowDtype, ScaledRows
from sedlib.pipeline.study import Study
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, StreamName, gradient_of, ladder_stream

_ROWS, _ARRIVALS = ("steps", "params"), ("intervals", "params")
_GRADIENT = Dataset(
    _ROWS,
    "float32",
    "loss gradient at each checkpoint, by task; `gradient/total` is their sum where there are several",
)
LADDER = {
    "minibatch-gradient": Dataset(
        _ROWS,
        "float32",
        "clipped gradient of the summed losses on the training batch of the step that follows",
        optional=True,
    ),
    "momentum": Dataset(
        _ARRIVALS, "float32", "AdamW's first moment after the step that led to the checkpoint", optional=True
    ),
    "adam-direction": Dataset(
        _ARRIVALS, "float32", "that moment, bias-corrected and divided by the root of the second", optional=True
    ),
    "step-without-decay": Dataset(_ARRIVALS, "float32", "the same times minus the learning rate", optional=True),
    "step": Dataset(_ARRIVALS, "float32", "the step that led to the checkpoint, weight decay included", optional=True),
    "update-without-decay": Dataset(
        _ARRIVALS, "float32", "the update, what weight decay did over its steps taken out", optional=True
    ),
}
"""The estimator ladder's rows, from the gradient towards the update."""
ROWS = {
    "gradient/*": _GRADIENT,
    "update": Dataset(
        _ARRIVALS,
        "float32",
        "difference of the slots between successive checkpoints",
    ),
    **{f"ladder/{name}": dataset for name, dataset in LADDER.items()},
}


def gradients_schema(study: type[Study], dtype: RowDtype = "float32") -> ArtifactSchema:
    """The file's contract with rows in ``dtype``, and with what an input is in ``study``.

    Rows in bfloat16 HDF5 itself reads as float32; those in float16 have a scale each.
    """
    stored = "float16" if dtype == "float16" else "float32"
    rows = {name: replace(dataset, dtype=stored) for name, dataset in ROWS.items()}
    scales = {
        f"scale/{name}": Dataset(dataset.axes[:1], "float32", "what each row was divided by", dataset.optional)
        for name, dataset in ROWS.items()
    }
    inputs = study.inputs
    return ArtifactSchema(
        "gradients",
        3,
        {
            "steps": Dataset(("steps",), "int64", "as in the checkpoints"),
            "batch": Dataset(
                ("batch", *inputs.axes), inputs.dtype, f"the fixed {inputs.description} that every gradient is taken on"
            ),
            **rows,
            "measured": Dataset(("measured",), "int64", "indices of the checkpoints at which centroids are measured"),
            "state/*": Dataset(("measured", "..."), "float32", "every parameter of the model at those, by name"),
            "split/train": Dataset(("train_pairs", *inputs.axes), inputs.dtype, "as in the checkpoints", optional=True),
            **(scales if dtype == "float16" else {}),
        },
        shared_axes=frozenset({"steps", "params", "measured"}),
        stage="dump",
    )


@dataclass(frozen=True)
class Stream:
    """One stream, of an open gradients file or in memory."""

    name: str
    rows: h5py.Dataset | ScaledRows | np.ndarray
    first_checkpoint: int
    """Checkpoint of row 0: an update, or a step, belongs to the checkpoint it leads to."""

    @property
    def task(self) -> str | None:
        """The task whose loss the stream belongs to; none for a stream that all tasks share."""
        return StreamName.of(self.name).task


@contextmanager
def open_gradients(path: Path, study: type[Study]) -> Iterator[h5py.File]:
    """The gradients file at ``path``, checked against the schema of the dtype that it says its rows have.

    Raises
    ------
    ArtifactError
        The file breaks the schema.
    """
    with gradients_schema(study, _declared_dtype(path)).open(path) as file:
        yield file


def _declared_dtype(path: Path) -> RowDtype:
    """As the file's settings have it; the usual one where it has no such settings, which the schema says better."""
    try:
        with h5py.File(path, "r") as file:
            return "float16" if json.loads(file.attrs["settings"])["dtype"] == "float16" else "float32"
    except UNREADABLE:
        return "float32"


def read_streams(file: h5py.File, study: Study) -> Iterator[Stream]:
    """The streams of an open gradients file: update, each task's gradient, their total, the ladder's where it is there.

    Raises
    ------
    ArtifactError
        A stream is missing, or has not a row for each checkpoint, or for each interval between two.
    """
    schema = gradients_schema(type(study))
    tasks = [gradient_of(task) for task in study.tasks]
    gradients = [*tasks, TOTAL_GRADIENT] if len(tasks) > 1 else tasks
    ladder = [ladder_stream(rung) for rung in LADDER] if study.ladder() else []
    for name in [UPDATE, *gradients, *ladder]:
        if name not in file:
            raise schema.error(file.filename, f"no dataset {name!r}")
        rows = file[name]
        first_checkpoint = 1 if ROWS.get(name, _GRADIENT).axes == _ARRIVALS else 0
        if len(rows) != len(file["steps"]) - first_checkpoint:
            raise schema.error(file.filename, f"{len(rows)} rows of {name!r} for {len(file['steps'])} checkpoints")
        scale = file.get(f"scale/{name}")
        if scale is None and rows.dtype == np.float16:
            raise schema.error(file.filename, f"rows of {name!r} in float16 without 'scale/{name}'")
        yield Stream(name, rows if scale is None else ScaledRows(rows, scale[:]), first_checkpoint)
