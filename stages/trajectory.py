"""Measure how much of one run's motion lies along a single direction, for each matrix of the slots."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.geometry.components import measure_trajectory
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.trajectory_tables import TRAJECTORY, TRAJECTORY_WINDOWS


def main(study: Study, run: Workspace) -> None:
    params = TrajectoryParams.load()
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        whole, windows = measure_trajectory(checkpoints, params.geometry.walks)
        of = Origin(run.run, study.to_json())
    write_table(run.table("trajectory"), whole, TRAJECTORY, of)
    write_table(run.table("trajectory_windows"), windows, TRAJECTORY_WINDOWS, of)


if __name__ == "__main__":
    stage(main, __doc__)
