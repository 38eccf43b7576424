"""Compare one run's bases from single checkpoints with those from rows over time, at three phases."""

from sedlib.base.hardware import configure
from sedlib.base.store import require_same_run
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.coupling.measurement import Measurement
from sedlib.pipeline.coupling.single_checkpoints import measure_single_steps
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import BASES
from sedlib.pipeline.workspace import Workspace, stage
from sedlib.report.numbers.phases import phase_steps
from sedlib.report.numbers.results import read_table


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    training = read_table(run.results, "training")
    measurement = Measurement(params.probes, params.centroid, params.response, params.random_directions)
    with MeasuredNetworks.open(run.gradients, configure()) as networks, BASES.open(run.bases) as bases:
        require_same_run(networks.file, bases)
        measured = [networks.steps[index] for index in networks.measured]
        phases = phase_steps(training, measured, params.grok_threshold)
        ratios, angles = measure_single_steps(networks, bases, phases, params.rank, measurement)
    run.write_table("single_step", ratios)
    run.write_table("single_step_angles", angles)


if __name__ == "__main__":
    stage(main, __doc__)
