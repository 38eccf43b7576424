"""Train one run again, kicked in random directions across its execution basis, and write its trajectory."""

import argparse
from pathlib import Path

from sedlib.base.arguments import folder_below
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.cell_texts import origin_of, parameters_of
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.execution import execution_basis_of
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.interventions.random_kicks import RANDOM_KICK, kicking
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import require_current_run
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.parameters.sections import validated
from sedlib.pipeline.resume.kept_states import hash_of
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.cell_table import CELL


def main(cell: Cell, folder: Path) -> None:
    require_current_run(cell.run, Experiment.load(cell.run))
    device, settings = configure(), ProjectionParams.load()
    experiment, curvature = cell.experiment(settings), TrajectoryParams.load().geometry.curvature
    study, checkpoints = Grokking.of_run(cell.run), Workspace(cell.run).checkpoints
    execution = execution_basis_of(study, checkpoints, curvature.components, device)
    parameters = parameters_of(cell, experiment, settings) | {"basis": hash_of(execution), "eta": str(curvature.eta)}
    with snapshots_of(f"cell-{cell.name}", __file__, parameters, device) as snapshots:
        rows = trajectory(cell, experiment, device, kicking(cell, experiment, curvature.eta, execution), snapshots)
        write_table(folder / f"{cell.name}.csv", rows, CELL, origin_of(cell, experiment, settings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    parser.add_argument("--size", type=float, required=True, help="length of a kick in gradient steps")
    parser.add_argument("--start", type=int, required=True, help="step of the first kick")
    parser.add_argument("--folder", type=folder_below, required=True, help="of the table")
    given = vars(parser.parse_args())
    with clear_errors():
        require_current_code(__file__)
        folder = given.pop("folder")
        main(validated(Cell, {"condition": RANDOM_KICK, "projection": None, **given}, Path("command line")), folder)
