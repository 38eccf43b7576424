"""Measure how far gradient steps are from commuting along one run, and in which directions."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.geometry.defects import measure_curvature
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.curvature_table import CURVATURE


def main(study: Study, run: Workspace) -> None:
    params = TrajectoryParams.load()
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        measured = measure_curvature(checkpoints, params.geometry.curvature)
        write_table(run.table("curvature"), measured, CURVATURE, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
