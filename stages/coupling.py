"""Measure one run's coupling ratios at the measured checkpoints."""

from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.couplings import Measurement, measure_coupling
from sedlib.grokking.params import Params
from sedlib.grokking.spectra import BASES, read_bases
from sedlib.grokking.streams import GRADIENTS, read_streams
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure
from sedlib.store import require_same_run


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with (
        RunCheckpoints.open(run.checkpoints, configure()) as checkpoints,
        GRADIENTS.open(run.gradients) as gradients,
        BASES.open(run.bases) as bases,
    ):
        require_same_run(checkpoints.file, gradients, bases)
        streams = [(stream, read_bases(bases, stream)) for stream in read_streams(gradients)]
        measurement = Measurement(params.probes, params.centroid, params.response, params.random_directions)
        ratios = measure_coupling(checkpoints, streams, measurement, params.measured_checkpoints)
        run.write_table("coupling", ratios)


if __name__ == "__main__":
    stage(main, __doc__)
