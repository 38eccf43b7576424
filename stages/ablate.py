"""Measure one run's coupling ratios along one axis of the ablation, other parameters as they are."""

import argparse

from sedlib.grokking.ablations import ablate
from sedlib.grokking.axes import AXES
from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.params import Params
from sedlib.grokking.spectra import BASES
from sedlib.grokking.streams import GRADIENTS
from sedlib.grokking.workspace import Workspace, clear_errors
from sedlib.hardware import configure
from sedlib.report.results import read_table
from sedlib.store import require_same_run


def main(run: Workspace, axis: str) -> None:
    params = Params.of_run(run.run)
    coupling = read_table(run.results, "coupling")
    with (
        RunCheckpoints.open(run.checkpoints, configure()) as checkpoints,
        GRADIENTS.open(run.gradients) as gradients,
        BASES.open(run.bases) as bases,
    ):
        require_same_run(checkpoints.file, gradients, bases)
        run.write_table(f"ablation/{axis}", ablate(axis, params, checkpoints, gradients, bases, coupling))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    parser.add_argument("axis", choices=AXES, metavar="AXIS", help=", ".join(AXES))
    given = parser.parse_args()
    with clear_errors():
        main(Workspace(given.run), given.axis)
