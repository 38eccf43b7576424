"""Training, checkpoint by checkpoint, into the checkpoint file and the table of readouts."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.checkpoint import Checkpoint
from sedlib.pipeline.rows.checkpoints import write_checkpoints


def record(path: Path, study: Grokking, data: Data, checkpoints: Iterable[Checkpoint]) -> list[dict[str, Any]]:
    """Write every checkpoint as it comes; return the readouts as rows of a tidy table."""
    readouts: list[dict[str, Any]] = []

    def noted() -> Iterator[Checkpoint]:
        for checkpoint in checkpoints:
            yield checkpoint
            readouts.extend({"step": checkpoint.step, **asdict(readout)} for readout in checkpoint.readouts)

    write_checkpoints(path, study, noted(), {"train": data.train_pairs, "test": data.test_pairs})
    return readouts
