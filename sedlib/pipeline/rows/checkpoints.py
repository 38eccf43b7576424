"""A run's checkpoint file, open for reading.

Shapes: moments are ``[params]``, the slots.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.pipeline.rows.checkpoint_file import MOMENTS, checkpoints_schema
from sedlib.pipeline.rows.stored import OpenNetworks, StoredNetworks, require_split
from sedlib.pipeline.study import Study


@dataclass(frozen=True)
class RunCheckpoints(OpenNetworks):
    """A checkpoint file, open for reading."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, study: Study, device: torch.device) -> Iterator["RunCheckpoints"]:
        """Check and open the file at ``path``, of the run ``study``; one network on ``device`` serves all checkpoints.

        Raises
        ------
        ArtifactError
            The file is broken, or is not of this run.
        """
        network = study.network()
        slots, needs_moments = study.slots(network), study.ladder() is not None
        schema = checkpoints_schema(study.to_json(), study.inputs, network, slots, study.schedule, needs_moments)
        with schema.open(path) as file:
            require_split(file, schema, study)
            yield cls(StoredNetworks.of(file, study, network, slots, device), file["steps"][:].tolist())

    def load(self, index: int) -> nn.Module:
        """The network at checkpoint number ``index``; it is overwritten by the next ``load``."""
        return self.stored.load(index)

    def moments(self, index: int) -> dict[str, Float[Tensor, " params"]]:
        """The optimizer's moments at checkpoint number ``index``."""
        return {name: torch.from_numpy(self.file[f"optimizer/{name}"][index]).to(self.device) for name in MOMENTS}
