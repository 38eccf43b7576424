"""Train one run under one intervention and write its trajectory."""

import argparse
from pathlib import Path

from sedlib.base.hardware import configure
from sedlib.grokking.interventions.cells import INTERVENTIONS, Cell
from sedlib.grokking.interventions.execution import execution_basis_of
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.pipeline.workspace import INTERVENTION_TABLES, Workspace, clear_errors, write_table


def main(cell: Cell, folder: Path) -> None:
    device = configure()
    basis = execution_basis_of(Workspace(cell.run).checkpoints, device) if cell.needs_execution_basis else None
    rows = trajectory(cell, cell.experiment(), InterventionParams.load(), device, basis)
    write_table(folder / f"{cell.name}.csv", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    parser.add_argument("intervention", choices=INTERVENTIONS, metavar="INTERVENTION", help=", ".join(INTERVENTIONS))
    parser.add_argument("--coordinates", type=int, metavar="N", help="keep-random: coordinates in place of a subspace")
    parser.add_argument("--rank", type=int, metavar="K", help="in place of interventions.rank")
    parser.add_argument("--target", choices=["attention", "all"], help="in place of interventions.target")
    parser.add_argument("--start", type=int, metavar="STEP", help="natural steps first, not interventions.window")
    parser.add_argument("--strength", type=float, metavar="S", help="keep-*: share of the rest that is taken, not all")
    parser.add_argument("--size", type=float, metavar="ALPHA", help="kick: its length in gradient steps")
    parser.add_argument("--weight-decay", type=float, help="in place of the run's")
    parser.add_argument("--folder", type=Path, default=INTERVENTION_TABLES, help="of the table; default: %(default)s")
    with clear_errors():
        given = vars(parser.parse_args())
        folder = given.pop("folder")
        main(Cell.of(**given), folder)
