"""Dump one run's gradient and update rows from its checkpoints."""

from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.dumping import write_streams
from sedlib.grokking.params import Params
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        count, dtype = params.measured_checkpoints, params.dump.dtype
        write_streams(run.gradients, checkpoints, params.gradient_batch, count, dtype)


if __name__ == "__main__":
    stage(main, __doc__)
