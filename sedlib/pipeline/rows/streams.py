"""The gradients file: the row streams of a run, and the networks at the measured checkpoints.

Shapes: a stream's rows are ``[rows, params]``, a row per checkpoint, over the slots.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from sedlib.base.hdf5.dataset import Dataset
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.parameters.row_params import GradientBatchParams
from sedlib.pipeline.rows.checkpoint_file import state_datasets
from sedlib.pipeline.rows.row_dtypes import RowDtype, ScaledRows
from sedlib.pipeline.rows.stored import require_split
from sedlib.pipeline.rows.stream_checks import motion_problem, selection_problem
from sedlib.pipeline.study import Study
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, StreamName, gradient_of, ladder_stream

CHECKPOINTS, INTERVALS = "steps", "intervals"
"""Axes of rows: one at each checkpoint, or for the interval that led to it, which the first has not."""
LADDER = {
    "minibatch-gradient": (
        CHECKPOINTS,
        "clipped gradient of the summed losses on the training batch of the step that follows",
    ),
    "momentum": (INTERVALS, "AdamW's first moment after the step that led to the checkpoint"),
    "adam-direction": (INTERVALS, "that moment, bias-corrected and divided by the root of the second"),
    "step-without-decay": (INTERVALS, "the same times minus the learning rate"),
    "step": (INTERVALS, "the step that led to the checkpoint, weight decay included"),
    "update-without-decay": (INTERVALS, "the update, what weight decay did over its steps taken out"),
}
"""The estimator ladder's rows, from the gradient towards the update."""


class RowSettings(GradientBatchParams):
    """What the file carries of the dump stage's parameters."""

    dtype: RowDtype


GRADIENTS = ArtifactSchema("gradients", 4, {}, stage="dump")
"""The kind of file, without what is in a certain run's."""


def rows_of(study: Study) -> dict[str, tuple[str, str]]:
    """Axis and description of every stream of a run, in the order in which they are measured."""
    gradients = [gradient_of(task) for task in study.tasks]
    if len(gradients) > 1:
        gradients.append(TOTAL_GRADIENT)
    return {
        UPDATE: (INTERVALS, "difference of the slots between successive checkpoints"),
        **dict.fromkeys(gradients, (CHECKPOINTS, "gradient of that task's loss at each checkpoint, or their sum")),
        **({ladder_stream(rung): found for rung, found in LADDER.items()} if study.ladder() else {}),
    }


def gradients_schema(study: Study, dtype: RowDtype = "float32") -> ArtifactSchema:
    """The contract of a run's file with rows in ``dtype``; those in float16 have a scale each."""
    network = study.network()
    layout, inputs, rows = study.slots(network), study.inputs, rows_of(study)
    scales = {
        f"scale/{name}": Dataset((axis,), "float32", "what each row was divided by", power_of_two=True)
        for name, (axis, _) in rows.items()
        if dtype == "float16"
    }
    return replace(
        GRADIENTS,
        datasets={
            "steps": Dataset(
                ("steps",), "int64", "as in the checkpoints", increasing=True, least=0, start_of=study.schedule
            ),
            "batch": Dataset(
                ("batch", *inputs.axes), inputs.dtype, f"the fixed {inputs.description} that every gradient is taken on"
            ),
            **{name: Dataset((axis, "params"), dtype, description) for name, (axis, description) in rows.items()},
            "measured": Dataset(
                ("measured",),
                "int64",
                "indices of the checkpoints at which centroids are measured",
                increasing=True,
                least=0,
                below="steps",
            ),
            **state_datasets("measured", network),
            "split/train": Dataset(("train_pairs", *inputs.axes), inputs.dtype, "as in the checkpoints", optional=True),
            **scales,
        },
        attributes={"run": study.to_json(), "layout": layout.to_json(), "settings": None},
        shared_axes=frozenset({CHECKPOINTS, INTERVALS, "measured"}),
        lengths={"params": layout.size},
    )


@dataclass(frozen=True)
class Stream:
    """One stream, of an open gradients file or in memory."""

    name: str
    rows: h5py.Dataset | ScaledRows | np.ndarray
    first_checkpoint: int
    """Checkpoint of row 0: an update, or a step, belongs to the checkpoint it leads to."""
    dtype: RowDtype = "float32"
    """In which the rows are stored."""

    @property
    def task(self) -> str | None:
        """The task whose loss the stream belongs to; none for a stream that all tasks share."""
        return StreamName.of(self.name).task


@contextmanager
def open_gradients(path: Path, study: Study) -> Iterator[h5py.File]:
    """The gradients file at ``path``, checked against its run and the dtype that it says its rows have.

    Raises
    ------
    ArtifactError
        The file breaks the schema.
    """
    with GRADIENTS.opened(path) as file:
        settings = GRADIENTS.settings(file, RowSettings)
        schema = gradients_schema(study, settings.dtype)
        schema.check(file, path)
        require_split(file, schema, study)
        if problem := _contradiction(file, study, settings):
            raise schema.error(path, problem)
        yield file


def _contradiction(file: h5py.File, study: Study, settings: RowSettings) -> str | None:
    """What in a file of its schema cannot be, given the rest of it."""
    if len(file[UPDATE]) != len(file["steps"]) - 1:
        return f"{len(file[UPDATE])} updates for {len(file['steps'])} checkpoints"
    if problem := selection_problem(file, study, settings):
        return problem
    updates = next(stream.rows for stream in read_streams(file, study) if stream.name == UPDATE)
    return motion_problem(file, updates, study.slots(study.network()), settings.dtype)


def read_streams(file: h5py.File, study: Study) -> Iterator[Stream]:
    """The streams of an open gradients file: update, each task's gradient, their total, the ladder's."""
    dtype = GRADIENTS.settings(file, RowSettings).dtype
    for name, (axis, _) in rows_of(study).items():
        scale = file.get(f"scale/{name}")
        rows = file[name] if scale is None else ScaledRows(file[name], scale[:])
        yield Stream(name, rows, 0 if axis == CHECKPOINTS else 1, dtype)
