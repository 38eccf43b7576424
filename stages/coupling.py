"""Measure one run's coupling ratios at the measured checkpoints."""

from sedlib.base.hardware import configure
from sedlib.base.store import require_same_run
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.coupling.measurement import Measurement, measure_coupling
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import BASES, read_bases
from sedlib.pipeline.rows.streams import read_streams
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with MeasuredNetworks.open(run.gradients, configure()) as networks, BASES.open(run.bases) as bases:
        require_same_run(networks.file, bases)
        streams = [(stream, read_bases(bases, stream)) for stream in read_streams(networks.file)]
        measurement = Measurement(params.probes, params.centroid, params.response, params.random_directions)
        run.write_table("coupling", measure_coupling(networks, streams, measurement))


if __name__ == "__main__":
    stage(main, __doc__)
