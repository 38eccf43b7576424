"""Measure how much of one run's motion lies along a single direction, for each attention matrix."""

from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.components import measure_trajectory
from sedlib.grokking.params import Params
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        whole, windows = measure_trajectory(checkpoints, params.geometry.walks)
    run.write_table("trajectory", whole)
    run.write_table("trajectory_windows", windows)


if __name__ == "__main__":
    stage(main, __doc__)
