"""Measure one run's coupling ratios at the measured checkpoints."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.parameters.coupling_params import RunCouplingParams
from sedlib.pipeline.rows.bases_file import open_bases, read_bases
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import read_streams
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.coupling_table import COUPLING


def main(study: Study, run: Workspace) -> None:
    params = RunCouplingParams.load()
    with MeasuredNetworks.open(run.gradients, study, configure()) as networks, open_bases(run.bases, study) as bases:
        streams = [(stream, read_bases(bases, stream)) for stream in read_streams(networks.file, networks.study)]
        ratios = measure_coupling(networks, streams, params, ladder_probes=params.ladder.probes)
        write_table(run.table("coupling"), ratios, COUPLING, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
