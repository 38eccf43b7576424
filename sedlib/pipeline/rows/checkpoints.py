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
from sedlib.pipeline.rows.stored import OpenNetworks, StoredNetworks
from sedlib.pipeline.study import Study


@dataclass(frozen=True)
class RunCheckpoints(OpenNetworks):
    """A checkpoint file, open for reading."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, study: type[Study], device: torch.device) -> Iterator["RunCheckpoints"]:
        """Check and open the file at ``path``; one network on ``device`` serves all checkpoints.

        Raises
        ------
        ArtifactError
            The file is broken, or its networks are not those of its run.
        """
        schema = checkpoints_schema(study.inputs)
        with schema.open(path) as file:
            stored = StoredNetworks.of(file, schema, study, device)
            steps = file["steps"][:]
            if len(steps) == 0 or (steps[1:] <= steps[:-1]).any():
                raise schema.error(file.filename, f"steps that do not increase: {steps.tolist()}")
            for name in MOMENTS if stored.study.ladder() else ():
                if f"optimizer/{name}" not in file:
                    raise schema.error(file.filename, f"no dataset 'optimizer/{name}', which the ladder needs")
            yield cls(stored, steps.tolist())

    def load(self, index: int) -> nn.Module:
        """The network at checkpoint number ``index``; it is overwritten by the next ``load``."""
        return self.stored.load(index)

    def moments(self, index: int) -> dict[str, Float[Tensor, " params"]]:
        """The optimizer's moments at checkpoint number ``index``."""
        return {name: torch.from_numpy(self.file[f"optimizer/{name}"][index]).to(self.device) for name in MOMENTS}
