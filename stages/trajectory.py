"""Measure how much of one run's motion lies along a single direction, for each attention matrix."""

from sedlib.base.hardware import configure
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.geometry.components import measure_trajectory
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        whole, windows = measure_trajectory(checkpoints, params.geometry.walks)
    run.write_table("trajectory", whole)
    run.write_table("trajectory_windows", windows)


if __name__ == "__main__":
    stage(main, __doc__)
