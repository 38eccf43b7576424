"""A run's checkpoint file: every parameter at every checkpoint, and the optimizer's moments where a study keeps them.

Shapes: moments are ``[params]``, the slots.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import h5py
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.store import Dataset, append, growing
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.rows.stored import StoredNetworks
from sedlib.pipeline.study import Study
from sedlib.vectors import ParamLayout

MOMENTS = ("exp_avg", "exp_avg_sq")


def checkpoints_schema(study: type[Study]) -> ArtifactSchema:
    """The file's contract, with what an input is in ``study``."""
    inputs = study.inputs
    return ArtifactSchema(
        "checkpoints",
        1,
        {
            "steps": Dataset(("steps",), "int64", "optimizer steps taken at each checkpoint; the first is 0"),
            "state/*": Dataset(("steps", "..."), "float32", "every parameter of the model, by name"),
            "optimizer/exp_avg": Dataset(
                ("steps", "params"),
                "float32",
                "AdamW's first moment of the slots; zero at step 0",
                optional=True,
            ),
            "optimizer/exp_avg_sq": Dataset(
                ("steps", "params"),
                "float32",
                "AdamW's second moment of the slots; zero at step 0",
                optional=True,
            ),
            "split/train": Dataset(
                ("train_pairs", *inputs.axes), inputs.dtype, f"{inputs.description} trained on", optional=True
            ),
            "split/test": Dataset(
                ("test_pairs", *inputs.axes), inputs.dtype, f"{inputs.description} held out", optional=True
            ),
        },
        stage="train",
    )


@runtime_checkable
class Recorded(Protocol):
    """What the file keeps of a checkpoint. The network is live: what is kept is copied at once."""

    @property
    def step(self) -> int:
        """Optimizer steps taken."""

    @property
    def model(self) -> nn.Module:
        """The network."""

    @property
    def moments(self) -> Mapping[str, Float[Tensor, " params"]]:
        """The optimizer's moments of the slots, ``exp_avg`` and ``exp_avg_sq``; empty where the study has none."""


def write_checkpoints(
    path: Path, study: Study, checkpoints: Iterable[Recorded], split: Mapping[str, Tensor] | None = None
) -> None:
    """Write every checkpoint as it comes; ``split`` holds the inputs of ``train`` and ``test``."""
    attributes = {"run": study.to_json(), "layout": study.slots(study.network()).to_json(), "settings": "{}"}
    with checkpoints_schema(type(study)).create(path, attributes) as file:
        for name, inputs in (split or {}).items():
            file[f"split/{name}"] = inputs.cpu().numpy()
        steps = growing(file, "steps", (), "int64")
        series: dict[str, h5py.Dataset] = {}
        for checkpoint in checkpoints:
            append(steps, checkpoint.step)
            for name, value in {
                **{f"state/{name}": value for name, value in checkpoint.model.state_dict().items()},
                **{f"optimizer/{name}": value for name, value in checkpoint.moments.items()},
            }.items():
                if name not in series:
                    series[name] = growing(file, name, tuple(value.shape))
                append(series[name], value.cpu().numpy())


@dataclass(frozen=True)
class RunCheckpoints:
    """A checkpoint file, open for reading."""

    stored: StoredNetworks
    steps: list[int]
    """Optimizer steps taken at each checkpoint."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, study: type[Study], device: torch.device) -> Iterator["RunCheckpoints"]:
        """Check and open the file at ``path``; one network on ``device`` serves all checkpoints.

        Raises
        ------
        ArtifactError
            The file is broken, or its networks are not those of its run.
        """
        schema = checkpoints_schema(study)
        with schema.open(path) as file, StoredNetworks.of(file, schema, study, device) as stored:
            steps = file["steps"][:]
            if len(steps) == 0 or (steps[1:] <= steps[:-1]).any():
                raise schema.error(file.filename, f"steps that do not increase: {steps.tolist()}")
            yield cls(stored, steps.tolist())

    @property
    def file(self) -> h5py.File:
        """The open file."""
        return self.stored.file

    @property
    def study(self) -> Study:
        """The run that it is of."""
        return self.stored.study

    @property
    def layout(self) -> ParamLayout:
        """The slots."""
        return self.stored.layout

    @property
    def network(self) -> nn.Module:
        """Into which ``load`` puts a checkpoint."""
        return self.stored.network

    @property
    def device(self) -> torch.device:
        """On which it is."""
        return self.stored.device

    def load(self, index: int) -> nn.Module:
        """The network at checkpoint number ``index``; it is overwritten by the next ``load``."""
        return self.stored.load(index)

    def moments(self, index: int) -> dict[str, Float[Tensor, " params"]]:
        """The optimizer's moments at checkpoint number ``index``."""
        return {name: torch.from_numpy(self.file[f"optimizer/{name}"][index]).to(self.device) for name in MOMENTS}
