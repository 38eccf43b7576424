"""Checkpoints, and a run's file of them as the sequence of networks it holds.

Shapes: attention-slot vectors are ``[params]``.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from sedlib.base.store import Dataset, Schema, append, growing
from sedlib.grokking.network.evaluation import Data, Readouts
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.vectors import ParamLayout

CHECKPOINTS = Schema(
    "checkpoints",
    1,
    "train",
    {
        "steps": Dataset(("steps",), "int64", "optimizer steps taken at each checkpoint; the first is 0"),
        "state/*": Dataset(("steps", "..."), "float32", "every parameter of the model, by name"),
        "optimizer/exp_avg": Dataset(
            ("steps", "params"), "float32", "AdamW's first moment of the attention slots; zero at step 0"
        ),
        "optimizer/exp_avg_sq": Dataset(
            ("steps", "params"), "float32", "AdamW's second moment of the attention slots; zero at step 0"
        ),
        "split/train": Dataset(("train_pairs", "operands"), "int64", "pairs (a, b) trained on"),
        "split/test": Dataset(("test_pairs", "operands"), "int64", "pairs (a, b) held out"),
    },
)


@dataclass(frozen=True)
class Checkpoint:
    """The network at a checkpoint. ``model`` is live: copy what is to be kept."""

    step: int
    model: GrokkingTransformer
    exp_avg: Float[Tensor, " params"]
    exp_avg_sq: Float[Tensor, " params"]
    readouts: list[Readouts]
    intervention: dict[str, float | None]
    """Readouts of the intervention over the steps since the last checkpoint."""


def write_checkpoints(
    path: Path, experiment: Experiment, data: Data, checkpoints: Iterable[Checkpoint]
) -> list[dict[str, Any]]:
    """Write every checkpoint as it comes; return the readouts as rows of a tidy table."""
    layout = ParamLayout.attention(build_model(experiment))
    attributes = {"run": experiment.model_dump_json(), "layout": layout.to_json(), "settings": "{}"}
    readouts = []
    with CHECKPOINTS.create(path, attributes) as file:
        file["split/train"] = data.train_pairs.cpu().numpy()
        file["split/test"] = data.test_pairs.cpu().numpy()
        steps = growing(file, "steps", (), "int64")
        series: dict[str, h5py.Dataset] = {}
        for checkpoint in checkpoints:
            append(steps, checkpoint.step)
            for name, value in {
                **{f"state/{name}": value for name, value in checkpoint.model.state_dict().items()},
                "optimizer/exp_avg": checkpoint.exp_avg,
                "optimizer/exp_avg_sq": checkpoint.exp_avg_sq,
            }.items():
                if name not in series:
                    series[name] = growing(file, name, tuple(value.shape))
                append(series[name], value.cpu().numpy())
            readouts += [{"step": checkpoint.step, **asdict(readout)} for readout in checkpoint.readouts]
    return readouts


@dataclass(frozen=True)
class RunCheckpoints:
    """A checkpoint file, open for reading."""

    file: h5py.File
    steps: list[int]
    """Optimizer steps taken at each checkpoint."""
    experiment: Experiment
    layout: ParamLayout
    model: GrokkingTransformer
    """The network into which ``load`` puts a checkpoint."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, device: torch.device) -> Iterator["RunCheckpoints"]:
        """Check and open the file at ``path``; one network on ``device`` serves all checkpoints.

        Raises
        ------
        ArtifactError
            The file is broken, or its networks are not those of its run's parameters.
        """
        with CHECKPOINTS.open(path) as file:
            experiment = _experiment(file)
            model = build_model(experiment).to(device).requires_grad_(False)
            _require_states_of(model, file)
            yield cls(file, file["steps"][:].tolist(), experiment, ParamLayout.from_json(file.attrs["layout"]), model)

    def pairs(self, split: str) -> torch.Tensor:
        """The pairs of ``train`` or ``test``."""
        return torch.from_numpy(self.file[f"split/{split}"][:])

    def load(self, index: int) -> GrokkingTransformer:
        """The network at checkpoint number ``index``; it is overwritten by the next ``load``."""
        state = {name: torch.from_numpy(self.file["state"][name][index]) for name in self.model.state_dict()}
        self.model.load_state_dict(state)
        return self.model


def _experiment(file: h5py.File) -> Experiment:
    try:
        return Experiment.model_validate_json(file.attrs["run"])
    except ValidationError as error:
        raise CHECKPOINTS.error(file.filename, f"run parameters that are refused ({error})") from error


def _require_states_of(model: GrokkingTransformer, file: h5py.File) -> None:
    for name, value in model.state_dict().items():
        found = file["state"][name].shape[1:] if name in file["state"] else None
        if found != tuple(value.shape):
            raise CHECKPOINTS.error(file.filename, f"parameter {name!r} of shape {found}, not {tuple(value.shape)}")
    steps = file["steps"][:]
    if len(steps) == 0 or (steps[1:] <= steps[:-1]).any():
        raise CHECKPOINTS.error(file.filename, f"steps that do not increase: {steps.tolist()}")
