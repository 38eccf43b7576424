"""Compare one run's bases from single checkpoints with those from rows over time, at three phases."""

from sedlib.base.hardware import configure
from sedlib.base.tables import read_table, write_table
from sedlib.pipeline.artifacts import require_same_run
from sedlib.pipeline.coupling.single_checkpoints import measure_single_steps
from sedlib.pipeline.coupling.training_phases import phase_steps
from sedlib.pipeline.parameters.phase_params import PhaseParams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import BASES
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace


def main(study: type[Study], run: Workspace) -> None:
    params = PhaseParams.load()
    training = read_table(run.table("training"), f"dvc repro train@{run.run}")
    with MeasuredNetworks.open(run.gradients, study, configure()) as networks, BASES.open(run.bases) as bases:
        require_same_run(networks.file, bases)
        measured = [networks.steps[index] for index in networks.measured]
        phases = phase_steps(training, measured, params.grok_threshold)
        ratios, angles = measure_single_steps(networks, bases, phases, params)
    write_table(run.table("single_step"), ratios)
    write_table(run.table("single_step_angles"), angles)


if __name__ == "__main__":
    stage(main, __doc__)
