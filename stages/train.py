"""Train one run and write its checkpoints and readouts."""

from sedlib.base.hardware import configure
from sedlib.base.progress import track
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.training.loop import train
from sedlib.pipeline.rows.checkpoints import Checkpoint, write_checkpoints
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    experiment = Experiment.load(run.run)
    device = configure()
    data = Data.of(experiment, device)
    total = experiment.run.max_steps // experiment.run.checkpoint_every + 1
    checkpoints = track(train(experiment, data, device), total, f"train {run.run}", describe)
    run.write_table("training", write_checkpoints(run.checkpoints, experiment, data, checkpoints))


def describe(checkpoint: Checkpoint) -> str:
    operations = (
        f"{r.op} loss {r.train_loss:.2g}/{r.test_loss:.2g} accuracy {r.train_accuracy:.0%}/{r.test_accuracy:.0%}"
        for r in checkpoint.readouts
    )
    return f"step {checkpoint.step:,} (train/test) " + ", ".join(operations)


if __name__ == "__main__":
    stage(main, __doc__)
