"""A run of a study as files: its checkpoints, and the table of readouts."""

from collections.abc import Iterable, Iterator

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.pipeline.rows.checkpoint_file import checkpoints_schema, write_checkpoints
from sedlib.pipeline.workspace import Workspace
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.recorded_runs.pool_readouts import Row
from sedlib.studies.recorded_runs.study_training import TrainedCheckpoint
from sedlib.terms.tables.training_table import TRAINING


def write_run(study: OwnStudy, run: Workspace, checkpoints: Iterable[TrainedCheckpoint]) -> None:
    """Write every checkpoint as it comes, then the readouts."""
    rows: list[Row] = []

    def noted() -> Iterator[TrainedCheckpoint]:
        for checkpoint in checkpoints:
            yield checkpoint
            rows.extend(checkpoint.rows)

    network = study.network()
    schema = checkpoints_schema(study.to_json(), study.inputs, network, study.slots(network), study.schedule)
    write_checkpoints(run.checkpoints, schema, noted())
    write_table(run.table("training"), rows, TRAINING, Origin(run.run, study.to_json()))


def describe(checkpoint: TrainedCheckpoint) -> str:
    """What progress says of a checkpoint."""
    losses = (f"{row['op']} loss {row['train_loss']:.3g}/{row['test_loss']:.3g}" for row in checkpoint.rows)
    return f"step {checkpoint.step:,} (train/test) {', '.join(losses)}"
