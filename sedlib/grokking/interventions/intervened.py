"""Training under an intervention, as the table of its accuracies."""

from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.kicks import Kicks
from sedlib.grokking.interventions.projected_steps import ProjectedSteps
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.grokking.training.loop import train
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.rows.checkpoints import Checkpoint


def trajectory(
    cell: Cell,
    experiment: Experiment,
    settings: InterventionParams,
    device: torch.device,
    execution: Float[Tensor, "directions params"] | None = None,
) -> list[dict[str, Any]]:
    """Train under the cell's intervention; rows of a tidy table, one per checkpoint and operation.

    ``execution`` is the finished run's execution basis, for the cells that need it.

    Raises
    ------
    ParamsError
        The target matches no parameters, or the cell asks for more coordinates or dimensions than it has.
    """
    run, data = experiment.run, Data.of(experiment, device)

    def intervene(model: GrokkingTransformer) -> Intervention:
        if cell.condition == "control":
            return Intervention()
        if cell.condition == "kick":
            if execution is None:
                raise ValueError("a kick needs the execution basis of the finished run")
            batches = generator(run.seed, "kick batches")
            return Kicks(cell, experiment.optimizer, data, model, batches, execution)
        return ProjectedSteps(cell, settings, model, generator(run.seed, "random projectors"), execution)

    checkpoints = train(experiment, data, device, intervene)
    total = run.max_steps // run.checkpoint_every + 1
    labels = {**cell.model_dump(), "seed": run.seed, "max_steps": run.max_steps}
    return [
        {
            **labels,
            "step": checkpoint.step,
            **asdict(readout),
            "passed": None,
            "overlap": None,
            **checkpoint.intervention,
        }
        for checkpoint in track(checkpoints, total, cell.name, _describe)
        for readout in checkpoint.readouts
    ]


def _describe(checkpoint: Checkpoint) -> str:
    accuracies = ", ".join(f"{readout.op} {readout.test_accuracy:.0%}" for readout in checkpoint.readouts)
    return f"step {checkpoint.step:,} test accuracy {accuracies}"
