"""Measure how far gradient steps are from commuting along one run, and in which directions."""

from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.defects import measure_curvature
from sedlib.grokking.params import Params
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        run.write_table("curvature", measure_curvature(checkpoints, params.geometry.curvature))


if __name__ == "__main__":
    stage(main, __doc__)
