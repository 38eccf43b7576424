"""Dump one run's gradient and update rows from its checkpoints."""

from sedlib.base.hardware import configure
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        count, dtype = params.measured_checkpoints, params.dump.dtype
        write_streams(run.gradients, checkpoints, params.gradient_batch, count, dtype)


if __name__ == "__main__":
    stage(main, __doc__)
