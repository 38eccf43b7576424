"""Training, checkpoint by checkpoint, into the checkpoint file and the table of readouts."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.pairs import PAIRS
from sedlib.grokking.training.broken_step import TrainingDivergedError
from sedlib.grokking.training.training_checkpoint import Checkpoint
from sedlib.pipeline.rows.checkpoint_file import checkpoints_schema, write_checkpoints
from sedlib.vectors import ParamLayout


def record(path: Path, experiment: Experiment, data: Data, checkpoints: Iterable[Checkpoint]) -> list[dict[str, Any]]:
    """Write every checkpoint as it comes; return the readouts as rows of a tidy table.

    Raises
    ------
    TrainingDivergedError
        The training has a loss or a gradient that is not finite; there is no file then.
    """
    readouts: list[dict[str, Any]] = []

    def noted() -> Iterator[Checkpoint]:
        for checkpoint in checkpoints:
            yield checkpoint
            readouts.extend({"step": checkpoint.step, **asdict(readout)} for readout in checkpoint.readouts)

    network = build_model(experiment)
    schema = checkpoints_schema(experiment.model_dump_json(), PAIRS, network, ParamLayout.attention(network))
    try:
        write_checkpoints(path, schema, noted(), {"train": data.train_pairs, "test": data.test_pairs})
    except TrainingDivergedError as error:
        raise TrainingDivergedError(f"{path} is not written: {error}") from error
    return readouts
