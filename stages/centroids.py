"""Compute one run's centroids and their readouts at the measured checkpoints."""

from sedlib.base.hardware import configure
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.centroids.centroid_file import write_centroids
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with MeasuredNetworks.open(run.gradients, configure()) as networks:
        readouts = write_centroids(run.centroids, networks, params.probes, params.centroid)
    run.write_table("centroids", readouts)


if __name__ == "__main__":
    stage(main, __doc__)
