"""Take in one run's finished checkpoints, and write them and their readouts as training does."""

from sedlib.base.machine.hardware import configure
from sedlib.base.progress import track
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.studies.definition.study_checks import usable
from sedlib.studies.recorded_runs.finished_run import finished_checkpoints
from sedlib.studies.recorded_runs.study_files import describe, write_run


def main(study: Study, run: Workspace) -> None:
    device, own = configure(), usable(study)
    count, checkpoints = finished_checkpoints(own, device)
    write_run(own, run, track(checkpoints, count, f"take in {run.run}", describe))


if __name__ == "__main__":
    stage(main, __doc__)
