"""Measure one run's coupling ratios at the measured checkpoints."""

from sedlib.grokking.couplings import Measurement, measure_coupling
from sedlib.grokking.networks import MeasuredNetworks
from sedlib.grokking.params import Params
from sedlib.grokking.spectra import BASES, read_bases
from sedlib.grokking.streams import read_streams
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure
from sedlib.store import require_same_run


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with MeasuredNetworks.open(run.gradients, configure()) as networks, BASES.open(run.bases) as bases:
        require_same_run(networks.file, bases)
        streams = [(stream, read_bases(bases, stream)) for stream in read_streams(networks.file)]
        measurement = Measurement(params.probes, params.centroid, params.response, params.random_directions)
        run.write_table("coupling", measure_coupling(networks, streams, measurement))


if __name__ == "__main__":
    stage(main, __doc__)
