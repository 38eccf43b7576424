"""Compute one run's centroids and their readouts at the measured checkpoints."""

from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.params import Params
from sedlib.grokking.readouts import write_centroids
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with RunCheckpoints.open(run.checkpoints, configure()) as checkpoints:
        readouts = write_centroids(
            run.centroids, checkpoints, params.probes, params.centroid, params.measured_checkpoints
        )
    run.write_table("centroids", readouts)


if __name__ == "__main__":
    stage(main, __doc__)
