"""The networks at the measured checkpoints, as the gradients file holds them.

With them the gradients file is all that the analysis needs: who has it never downloads the checkpoints, which are of
every parameter at every step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import h5py
import numpy as np
import torch

from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.streams import GRADIENTS, open_gradients
from sedlib.vectors import ParamLayout


def measured_checkpoints(n_checkpoints: int, count: int | Literal["all"]) -> list[int]:
    """``count`` evenly spaced checkpoints, the first and the last included; all if there are no more."""
    if count == "all" or count >= n_checkpoints:
        return list(range(n_checkpoints))
    return [int(index) for index in np.linspace(0, n_checkpoints - 1, count).round()]


@dataclass(frozen=True)
class MeasuredNetworks(RunCheckpoints):
    """An open gradients file as the networks that it holds; steps and indices are those of all checkpoints."""

    measured: list[int]
    """Indices of the checkpoints whose networks are there."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, device: torch.device) -> Iterator["MeasuredNetworks"]:
        """Check and open the file at ``path``; one network on ``device`` serves all checkpoints.

        Raises
        ------
        ArtifactError
            The file is broken, or its networks are not those of its run's parameters.
        """
        with open_gradients(path) as file:
            experiment = Experiment.model_validate_json(file.attrs["run"])
            model = build_model(experiment).to(device).requires_grad_(False)
            _require_networks_of(model, file)
            steps, measured = file["steps"][:].tolist(), file["measured"][:].tolist()
            yield cls(file, steps, experiment, ParamLayout.from_json(file.attrs["layout"]), model, measured)

    def load(self, index: int) -> GrokkingTransformer:
        """The network at checkpoint number ``index``, a measured one; it is overwritten by the next ``load``."""
        position = self.measured.index(index)
        states = cast("h5py.Group", self.file["state"])
        self.model.load_state_dict({name: torch.from_numpy(states[name][position]) for name in self.model.state_dict()})
        return self.model


def _require_networks_of(model: GrokkingTransformer, file: h5py.File) -> None:
    for name, value in model.state_dict().items():
        found = file["state"][name].shape[1:] if name in file["state"] else None
        if found != tuple(value.shape):
            raise GRADIENTS.error(file.filename, f"parameter {name!r} of shape {found}, not {tuple(value.shape)}")
