"""Measure one run's coupling ratios along one axis of the ablation, other parameters as they are."""

import argparse
from contextlib import ExitStack

from sedlib.grokking.ablations import Ablation
from sedlib.grokking.axes import AXES
from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.networks import MeasuredNetworks
from sedlib.grokking.params import Params
from sedlib.grokking.spectra import BASES
from sedlib.grokking.workspace import Workspace, clear_errors
from sedlib.hardware import configure
from sedlib.report.results import read_table
from sedlib.store import require_same_run


def main(run: Workspace, axis: str) -> None:
    params, device = Params.of_run(run.run), configure()
    coupling = read_table(run.results, "coupling")
    with ExitStack() as files:
        networks = files.enter_context(MeasuredNetworks.open(run.gradients, device))
        bases = files.enter_context(BASES.open(run.bases))
        checkpoints = None
        if axis.startswith("batch_"):
            checkpoints = files.enter_context(RunCheckpoints.open(run.checkpoints, device))
        require_same_run(networks.file, bases, *([checkpoints.file] if checkpoints else []))
        ablation = Ablation(params, networks, bases, coupling, checkpoints)
        run.write_table(f"ablation/{axis}", ablation.along(axis))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    parser.add_argument("axis", choices=AXES, metavar="AXIS", help=", ".join(AXES))
    given = parser.parse_args()
    with clear_errors():
        main(Workspace(given.run), given.axis)
