"""Compute one run's centroids and their readouts at the measured checkpoints."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.centroids.centroid_file import write_centroids
from sedlib.pipeline.parameters.centroid_params import CentroidParams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.centroid_table import CENTROIDS


def main(study: Study, run: Workspace) -> None:
    params = CentroidParams.load()
    with MeasuredNetworks.open(run.gradients, study, configure()) as networks:
        readouts = write_centroids(run.centroids, networks, params)
        write_table(run.table("centroids"), readouts, CENTROIDS, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
