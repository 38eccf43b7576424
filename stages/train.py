"""Train one grokking run and write its checkpoints and readouts."""

import argparse

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.base.script import clear_errors
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import current_run_text, require_current_run
from sedlib.grokking.training.loop import Training
from sedlib.grokking.training.recording import record
from sedlib.grokking.training.training_checkpoint import Checkpoint
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.resume.resumable import tracked
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.training_table import TRAINING


def main(run: Workspace) -> None:
    experiment = Experiment.load(run.run)
    require_current_run(run.run, experiment)
    device = configure()
    data = Data.of(experiment, device)
    total = experiment.run.max_steps // experiment.run.checkpoint_every + 1
    label, parameters = f"train {run.run}", {"run": current_run_text(experiment)}
    with snapshots_of(f"train-{run.run}", __file__, parameters, device) as snapshots:
        checkpoints = tracked(Training(experiment, data, device), snapshots, total, label, describe)
        readouts = record(run.checkpoints, experiment, data, checkpoints)
        write_table(run.table("training"), readouts, TRAINING, Origin(run.run, experiment.model_dump_json()))


def describe(checkpoint: Checkpoint) -> str:
    operations = (
        f"{r.op} loss {r.train_loss:.2g}/{r.test_loss:.2g} accuracy {r.train_accuracy:.0%}/{r.test_accuracy:.0%}"
        for r in checkpoint.readouts
    )
    return f"step {checkpoint.step:,} (train/test) " + ", ".join(operations)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    given = parser.parse_args()
    with clear_errors():
        require_current_code(__file__)
        main(Workspace(given.run))
