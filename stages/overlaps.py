"""Measure the overlap of both centroids' top components along one run, by principal and by absolute cosines."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.centroids.absolute_overlaps import measure_overlaps
from sedlib.pipeline.parameters.centroid_params import CentroidParams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.definition_tables import OVERLAPS, definition_table


def main(study: Study, run: Workspace) -> None:
    with MeasuredNetworks.open(run.gradients, study, configure()) as networks:
        rows = measure_overlaps(networks, CentroidParams.load(), study.centroids)
        write_table(definition_table(OVERLAPS, run.run), rows, OVERLAPS, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
