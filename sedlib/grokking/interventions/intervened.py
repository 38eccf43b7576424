"""Trains one cell and returns its table of readouts."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.training.broken_step import TrainingDivergedError
from sedlib.grokking.training.loop import Training
from sedlib.grokking.training.stepping import Intervention
from sedlib.grokking.training.training_checkpoint import Checkpoint
from sedlib.pipeline.resume.kept_states import State
from sedlib.pipeline.resume.resumable import tracked
from sedlib.pipeline.resume.snapshots import Snapshots

Intervene = Callable[[GrokkingTransformer, Data], Intervention]
"""Makes a cell's intervention for the network that is trained, and the data that it is trained on."""
Rows = list[dict[str, Any]]


class IntervenedTraining:
    """Training under a cell's intervention, of which the readouts at checkpoints are kept and no network."""

    def __init__(self, cell: Cell, experiment: Experiment, device: torch.device, intervene: Intervene) -> None:
        data = Data.of(experiment, device)
        self._training = Training(experiment, data, device, lambda model: intervene(model, data))
        run = experiment.run
        self._cell = cell
        self._labels = {**cell.model_dump(), "seed": run.seed, "max_steps": run.max_steps}

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""
        return self._training.is_over

    def advance(self) -> Rows | None:
        """Take the next step; rows of a tidy table at a checkpoint, one per operation."""
        try:
            checkpoint = self._training.advance()
        except TrainingDivergedError as error:
            raise TrainingDivergedError(f"{self._cell.name}: {error}") from error
        return None if checkpoint is None else self._rows(checkpoint)

    def _rows(self, checkpoint: Checkpoint) -> Rows:
        readouts = {"passed": None, "overlap": None, **checkpoint.intervention}
        return [
            {**self._labels, "step": checkpoint.step, **asdict(readout), **readouts} for readout in checkpoint.readouts
        ]

    def state_dict(self) -> State:
        """The training's."""
        return self._training.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self._training.load_state_dict(state)

    def record(self, rows: Rows) -> State:
        """The rows."""
        return {"rows": rows}

    def replay(self, record: State) -> Rows:
        """The rows of a record."""
        return list(record["rows"])


def trajectory(
    cell: Cell,
    experiment: Experiment,
    device: torch.device,
    intervene: Intervene,
    snapshots: Snapshots | None = None,
) -> Rows:
    """Train under the cell's intervention; rows of a tidy table, one per checkpoint and operation.

    Raises
    ------
    ParamsError
        The target matches no parameters, or the cell asks for more coordinates or dimensions than it has.
    UserError
        A step of the training or of the intervention is not finite, or has no direction; the message names the cell.
    """
    run = experiment.run
    training = IntervenedTraining(cell, experiment, device, intervene)
    total = run.max_steps // run.checkpoint_every + 1
    return [row for rows in tracked(training, snapshots, total, cell.name, _describe) for row in rows]


def _describe(rows: Rows) -> str:
    accuracies = ", ".join(f"{row['op']} {row['test_accuracy']:.0%}" for row in rows)
    return f"step {rows[0]['step']:,} test accuracy {accuracies}"
