"""The execution basis of a finished run: the directions in which its attention matrices moved most."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.curvature import execution_basis
from sedlib.pipeline.geometry.matrices import attention_matrices, positions_of
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints

COMPONENTS = 2
"""Principal components of each attention matrix's trajectory. Source: arXiv 2602.16746."""


def execution_basis_of(checkpoints: Path, device: torch.device) -> Float[Tensor, "directions params"]:
    """Orthonormal directions of all parameters, two of each attention matrix, from the file of a finished run.

    Raises
    ------
    ArtifactError
        The file is missing or broken.
    ParamsError
        The run has too few checkpoints, or too little variety.
    """
    with RunCheckpoints.open(checkpoints, device) as run:
        try:
            return execution_basis(positions_of(run), attention_matrices(run), COMPONENTS).to(device)
        except ValueError as error:
            raise ParamsError(f"{checkpoints}: {error}") from error
