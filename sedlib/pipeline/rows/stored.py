"""The networks that a file holds, one in memory at a time."""

from dataclasses import dataclass
from typing import cast

import h5py
import numpy as np
import torch
from torch import nn

from sedlib.base.hdf5.store import Schema
from sedlib.pipeline.study import Study
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class StoredNetworks:
    """States of one network in an open file, and the run that they are of."""

    file: h5py.File
    study: Study
    layout: ParamLayout
    """The slots."""
    network: nn.Module
    """Into which ``load`` puts a state."""
    device: torch.device

    @classmethod
    def of(
        cls, file: h5py.File, study: Study, network: nn.Module, layout: ParamLayout, device: torch.device
    ) -> "StoredNetworks":
        """Those of a file that was checked against the run's network."""
        there = network.to(device).requires_grad_(False).eval()  # dropout off, batch statistics as stored
        return cls(file, study, layout, there, device)

    def load(self, position: int) -> nn.Module:
        """The network in a state of the file; it is overwritten by the next ``load``."""
        states = cast("h5py.Group", self.file["state"])
        state = {name: torch.from_numpy(states[name][position]) for name in self.network.state_dict()}
        self.network.load_state_dict(state)
        return self.network


def require_split(file: h5py.File, schema: Schema, study: Study) -> None:
    """Refuse a file whose split is not the run's.

    Raises
    ------
    ArtifactError
        It is another one.
    """
    for pool in ("train", "test"):
        if (name := f"split/{pool}") in file:
            expected = study.examples(pool).inputs.numpy()
            if not np.array_equal(file[name][:], expected):
                raise schema.error(
                    file.filename, f"{name!r} other than the {len(expected):,} inputs of the run's split"
                )


@dataclass(frozen=True)
class OpenNetworks:
    """An open file of networks; subclasses say which networks it holds, and how they are numbered."""

    stored: StoredNetworks
    steps: list[int]
    """Optimizer steps taken at each of the run's checkpoints."""

    @property
    def file(self) -> h5py.File:
        """The open file."""
        return self.stored.file

    @property
    def study(self) -> Study:
        """The run whose networks the file holds."""
        return self.stored.study

    @property
    def layout(self) -> ParamLayout:
        """The slots."""
        return self.stored.layout

    @property
    def network(self) -> nn.Module:
        """The network into which ``load`` puts a state."""
        return self.stored.network

    @property
    def device(self) -> torch.device:
        """The device on which the network is."""
        return self.stored.device
