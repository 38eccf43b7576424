"""Measure the commutator defect of a run that goes on after grokking, every 100 steps, with and without rounding."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.grokking.by_the_scripts.rounded_defects import measure_defects
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.late_defects_table import LATE_DEFECTS


def main(study: Study, run: Workspace) -> None:
    settings = TrajectoryParams.load().geometry.curvature
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        rows = measure_defects(checkpoints, settings)
        write_table(run.table("late_defects"), rows, LATE_DEFECTS, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
