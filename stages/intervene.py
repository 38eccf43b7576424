"""Train one run under one intervention and write its trajectory."""

import argparse

from sedlib.grokking.cells import INTERVENTIONS, Cell
from sedlib.grokking.intervention_params import InterventionParams
from sedlib.grokking.interventions import trajectory
from sedlib.grokking.workspace import INTERVENTION_TABLES, clear_errors, write_table
from sedlib.hardware import configure


def main(cell: Cell) -> None:
    rows = trajectory(cell, cell.experiment(), InterventionParams.load(), configure())
    write_table(INTERVENTION_TABLES / f"{cell.name}.csv", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    parser.add_argument("intervention", choices=INTERVENTIONS, metavar="INTERVENTION", help=", ".join(INTERVENTIONS))
    parser.add_argument("--coordinates", type=int, metavar="N", help="keep-random: coordinates in place of a subspace")
    parser.add_argument("--weight-decay", type=float, help="in place of the run's")
    with clear_errors():
        main(Cell.of(**vars(parser.parse_args())))
