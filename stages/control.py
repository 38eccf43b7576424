"""Write the control of one run's interventions: its own training, up to where a cell is over."""

import argparse

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.cell_texts import origin_of
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.control_cell import control_table
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import require_current_run
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.workspace import INTERVENTION_TABLES, Workspace
from sedlib.terms.condition import CONTROL
from sedlib.terms.tables.cell_table import CELL
from sedlib.terms.tables.training_table import TRAINING


def main(run: Workspace) -> None:
    trained, settings = Experiment.load(run.run), ProjectionParams.load()
    require_current_run(run.run, trained)
    cell = Cell.of(run.run, CONTROL.name)
    experiment = cell.experiment(settings)
    origin = Origin(run.run, trained.model_dump_json())
    training = read_table(run.table("training"), TRAINING, f"train@{run.run}", origin)
    table = control_table(cell, experiment, training)
    write_table(INTERVENTION_TABLES / f"{cell.name}.csv", table, CELL, origin_of(cell, experiment, settings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    given = parser.parse_args()
    with clear_errors():
        require_current_code(__file__)
        main(Workspace(given.run))
