"""Trains one cell and returns its table of readouts."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from sedlib.base.progress import track
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.training.checkpoint import Checkpoint
from sedlib.grokking.training.loop import train
from sedlib.grokking.training.stepping import Intervention

Intervene = Callable[[GrokkingTransformer, Data], Intervention]
"""Makes a cell's intervention for the network that is trained, and the data that it is trained on."""


def trajectory(cell: Cell, experiment: Experiment, device: torch.device, intervene: Intervene) -> list[dict[str, Any]]:
    """Train under the cell's intervention; rows of a tidy table, one per checkpoint and operation.

    Raises
    ------
    ParamsError
        The target matches no parameters, or the cell asks for more coordinates or dimensions than it has.
    """
    run, data = experiment.run, Data.of(experiment, device)
    checkpoints = train(experiment, data, device, lambda model: intervene(model, data))
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
