"""Train one run again, under an intervention that needs the finished run's checkpoints, and write its trajectory."""

from pathlib import Path

from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.cell_command import parse_cell
from sedlib.grokking.interventions.cell_texts import origin_of, parameters_of
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.execution import constraining, execution_basis_of
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import require_current_run
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.resume.kept_states import hash_of
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.cell_table import CELL


def main(cell: Cell, folder: Path) -> None:
    require_current_run(cell.run, Experiment.load(cell.run))
    device, settings = configure(), ProjectionParams.load()
    experiment = cell.experiment(settings)
    curvature = TrajectoryParams.load().geometry.curvature
    finished, checkpoints = Grokking.of_run(cell.run), Workspace(cell.run).checkpoints
    execution = execution_basis_of(finished, checkpoints, curvature.components, device)
    intervene = constraining(cell, experiment, settings, curvature, execution)
    parameters = parameters_of(cell, experiment, settings) | {
        "curvature": curvature.model_dump_json(),
        "execution basis": hash_of(execution),
    }
    with snapshots_of(f"cell-{cell.name}", __file__, parameters, device) as snapshots:
        rows = trajectory(cell, experiment, device, intervene, snapshots)
        write_table(folder / f"{cell.name}.csv", rows, CELL, origin_of(cell, experiment, settings))


if __name__ == "__main__":
    with clear_errors():
        cell, folder = parse_cell("stages/constrain.py", __doc__)
        require_current_code(__file__)
        main(cell, folder)
