"""The networks at the measured checkpoints, as the gradients file holds them.

With them the gradients file is all that the analysis needs: who has it never downloads the checkpoints, which are of
every parameter at every step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sedlib.pipeline.rows.stored import OpenNetworks, StoredNetworks
from sedlib.pipeline.rows.streams import open_gradients
from sedlib.pipeline.study import Study


@dataclass(frozen=True)
class MeasuredNetworks(OpenNetworks):
    """An open gradients file as the networks that it holds; steps and indices are those of all checkpoints."""

    measured: list[int]
    """Indices of the checkpoints whose networks are there."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, study: Study, device: torch.device) -> Iterator["MeasuredNetworks"]:
        """Check and open the file at ``path``, of the run ``study``; one network on ``device`` serves all checkpoints.

        Raises
        ------
        ArtifactError
            The file is broken, or is not of this run.
        """
        with open_gradients(path, study) as file:
            network = study.network()
            stored = StoredNetworks.of(file, study, network, study.slots(network), device)
            yield cls(stored, file["steps"][:].tolist(), file["measured"][:].tolist())

    def load(self, index: int) -> nn.Module:
        """The network at checkpoint number ``index``, a measured one; it is overwritten by the next ``load``."""
        return self.stored.load(self.measured.index(index))
