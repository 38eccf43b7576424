"""Measure how far gradient steps are from commuting along one run, and in which directions."""

from sedlib.base.hardware import configure
from sedlib.base.tables import write_table
from sedlib.pipeline.geometry.defects import measure_curvature
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace


def main(study: type[Study], run: Workspace) -> None:
    params = TrajectoryParams.load()
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        write_table(run.table("curvature"), measure_curvature(checkpoints, params.geometry.curvature))


if __name__ == "__main__":
    stage(main, __doc__)
