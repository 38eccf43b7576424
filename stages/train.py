"""Train one grokking run and write its checkpoints and readouts."""

from sedlib.base.hardware import configure
from sedlib.base.progress import track
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.checkpoint import Checkpoint
from sedlib.grokking.training.loop import train
from sedlib.grokking.training.recording import record
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.tables import write_table
from sedlib.pipeline.workspace import Workspace


def main(_: type[Study], run: Workspace) -> None:
    study = Grokking.of_run(run.run)
    experiment, device = study.experiment, configure()
    data = Data.of(experiment, device)
    total = experiment.run.max_steps // experiment.run.checkpoint_every + 1
    checkpoints = track(train(experiment, data, device), total, f"train {run.run}", describe)
    write_table(run.table("training"), record(run.checkpoints, study, data, checkpoints))


def describe(checkpoint: Checkpoint) -> str:
    operations = (
        f"{r.op} loss {r.train_loss:.2g}/{r.test_loss:.2g} accuracy {r.train_accuracy:.0%}/{r.test_accuracy:.0%}"
        for r in checkpoint.readouts
    )
    return f"step {checkpoint.step:,} (train/test) " + ", ".join(operations)


if __name__ == "__main__":
    stage(main, __doc__)
