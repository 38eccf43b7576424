"""Measure how far gradient steps are from commuting along one run, and in which directions."""

from sedlib.base.hardware import configure
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.geometry.defects import measure_curvature
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        run.write_table("curvature", measure_curvature(checkpoints, params.geometry.curvature))


if __name__ == "__main__":
    stage(main, __doc__)
