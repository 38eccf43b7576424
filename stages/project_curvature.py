"""Train one run again with steps kept in, or out of, the top eigenspace of its loss's curvature."""

import argparse
from pathlib import Path

from sedlib.base.arguments import folder_below
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.cell_texts import origin_of, parameters_of
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.hessian_subspaces import KINDS, CurvatureCondition, projecting_curvature
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import require_current_run
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.terms.condition import PROJECTIONS
from sedlib.terms.tables.cell_table import CELL


def main(cell: Cell, folder: Path) -> None:
    require_current_run(cell.run, Experiment.load(cell.run))
    device, settings = configure(), ProjectionParams.load()
    experiment = cell.experiment(settings)
    intervene = projecting_curvature(cell, settings, experiment)
    with snapshots_of(f"cell-{cell.name}", __file__, parameters_of(cell, experiment, settings), device) as snapshots:
        rows = trajectory(cell, experiment, device, intervene, snapshots)
        write_table(folder / f"{cell.name}.csv", rows, CELL, origin_of(cell, experiment, settings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    parser.add_argument("--projection", required=True, choices=PROJECTIONS)
    parser.add_argument("--verb", required=True, choices=["keep", "remove"])
    parser.add_argument("--curvature", required=True, choices=KINDS)
    parser.add_argument("--folder", type=folder_below, required=True, help="of the table")
    given = parser.parse_args()
    with clear_errors():
        require_current_code(__file__)
        condition = CurvatureCondition(given.verb, given.curvature)
        main(Cell(run=given.run, condition=condition, projection=given.projection), given.folder)
