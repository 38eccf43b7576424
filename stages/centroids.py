"""Compute one run's centroids and their readouts at the measured checkpoints."""

from sedlib.grokking.networks import MeasuredNetworks
from sedlib.grokking.params import Params
from sedlib.grokking.readouts import write_centroids
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with MeasuredNetworks.open(run.gradients, configure()) as networks:
        readouts = write_centroids(run.centroids, networks, params.probes, params.centroid)
    run.write_table("centroids", readouts)


if __name__ == "__main__":
    stage(main, __doc__)
