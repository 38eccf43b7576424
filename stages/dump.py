"""Dump one run's gradient and update rows from its checkpoints."""

from sedlib.base.machine.hardware import configure
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace


def main(study: Study, run: Workspace) -> None:
    params = RowParams.load()
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        write_streams(run.gradients, checkpoints, params)


if __name__ == "__main__":
    stage(main, __doc__)
