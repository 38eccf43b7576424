"""Compare one run's bases from single checkpoints with those from rows over time, at three phases."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.coupling.single_checkpoints import measure_single_steps
from sedlib.pipeline.coupling.training_phases import phase_steps
from sedlib.pipeline.parameters.phase_params import PhaseParams
from sedlib.pipeline.rows.bases_file import open_bases
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.single_step_tables import ANGLES, SINGLE_STEP
from sedlib.terms.tables.training_table import TRAINING


def main(study: Study, run: Workspace) -> None:
    params = PhaseParams.load()
    with MeasuredNetworks.open(run.gradients, study, configure()) as networks, open_bases(run.bases, study) as bases:
        of = Origin(run.run, study.to_json())
        training = read_table(run.table("training"), TRAINING, TRAINING.stage_of(run.run), of)
        measured = [networks.steps[index] for index in networks.measured]
        phases = phase_steps(training, measured, params.grok_threshold)
        ratios, angles = measure_single_steps(networks, bases, phases, params)
    write_table(run.table("single_step"), ratios, SINGLE_STEP, of)
    write_table(run.table("single_step_angles"), angles, ANGLES, of)


if __name__ == "__main__":
    stage(main, __doc__)
