"""Train one run of the folder's study again while its slots stay where they are, and write the readouts."""

import sys

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.resume.resumable import tracked
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.studies.definition.study_checks import usable
from sedlib.studies.recorded_runs.study_files import describe
from sedlib.studies.recorded_runs.study_training import StudyTraining
from sedlib.terms.tables.frozen_table import FROZEN


def main(study: Study, run: Workspace) -> None:
    device, own = configure(), usable(study)
    training, label = own.settings.training, f"frozen {run.run}"
    total = training.steps // training.checkpoint_every + 1
    with snapshots_of(f"frozen-{run.run}", sys.argv[0], {"run": own.to_json()}, device) as snapshots:
        found = tracked(StudyTraining(own, device, frozen=True), snapshots, total, label, describe)
        rows = [row for checkpoint in found for row in checkpoint.rows]
        write_table(run.table("frozen"), rows, FROZEN, Origin(run.run, own.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
