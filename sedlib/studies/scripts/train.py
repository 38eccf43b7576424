"""Train one run of the folder's study, and write its checkpoints and readouts."""

import sys

from sedlib.base.machine.hardware import configure
from sedlib.pipeline.resume.resumable import tracked
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.studies.definition.study_checks import usable
from sedlib.studies.recorded_runs.study_files import describe, write_run
from sedlib.studies.recorded_runs.study_training import StudyTraining


def main(study: Study, run: Workspace) -> None:
    device, own = configure(), usable(study)
    training, label = own.settings.training, f"train {run.run}"
    total = training.steps // training.checkpoint_every + 1
    with snapshots_of(f"train-{run.run}", sys.argv[0], {"run": own.to_json()}, device) as snapshots:
        write_run(own, run, tracked(StudyTraining(own, device), snapshots, total, label, describe))


if __name__ == "__main__":
    stage(main, __doc__)
