"""Conditions that need the finished run: its execution basis, the directions in which its attention moved most."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.randomness import generator
from sedlib.curvature import execution_basis
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.intervened import Intervene
from sedlib.grokking.interventions.kicks import Kicks
from sedlib.grokking.interventions.projected_steps import ProjectedSteps, target_of
from sedlib.grokking.interventions.subspaces import always
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.geometry.all_parameters import positions_of
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.projection import onto_basis, orthonormal
from sedlib.terms.condition import KICK
from sedlib.vectors import ParamLayout


def execution_basis_of(
    run: Grokking, checkpoints: Path, components: int, device: torch.device
) -> Float[Tensor, "directions params"]:
    """Orthonormal directions of all parameters, ``components`` of each attention matrix, from a finished run's file.

    Raises
    ------
    ArtifactError
        The file is missing or broken.
    ParamsError
        The run has too few checkpoints, or too little variety.
    """
    with RunCheckpoints.open(checkpoints, run, device) as opened:
        try:
            return execution_basis(positions_of(opened), run.matrices(opened.network), components).to(device)
        except ValueError as error:
            raise ParamsError(f"{checkpoints}: {error}") from error


def constraining(
    cell: Cell,
    experiment: Experiment,
    settings: ProjectionParams,
    curvature: CurvatureParams,
    execution: Float[Tensor, "directions params"],
) -> Intervene:
    """What a cell does with the finished run's basis: steps are kept in it, or kicks are across it.

    Raises
    ------
    ParamsError
        When called for a network: the target has too little of the basis.
    """

    def intervene(model: GrokkingTransformer, data: Data) -> Intervention:
        if cell.condition == KICK:
            batches = generator(experiment.run.seed, "kick batches")
            return Kicks(cell, Grokking(experiment), curvature.eta, data, model, batches, execution)
        target = target_of(cell, settings, model)
        kept = _restricted(execution, ParamLayout.select(model, "*"), target)
        return ProjectedSteps(cell, settings, model, target, always(onto_basis(kept)))

    return intervene


def _restricted(
    basis: Float[Tensor, "directions params"], layout: ParamLayout, target: ParamLayout
) -> Float[Tensor, "directions target"]:
    """The basis of all parameters, restricted to the target."""
    try:
        return orthonormal(torch.stack([target.flatten(layout.unflatten(row)) for row in basis]))
    except ValueError as error:
        raise ParamsError(f"interventions.target leaves too little of the execution basis: {error}") from error
