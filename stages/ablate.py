"""Measure one run's coupling ratios along one axis of the ablation, other parameters as they are."""

import argparse
from contextlib import ExitStack

from sedlib.base.hardware import configure
from sedlib.base.store import require_same_run
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.coupling.ablation import Ablation
from sedlib.pipeline.parameters.axes import AXES
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import BASES
from sedlib.pipeline.workspace import Workspace, clear_errors
from sedlib.report.numbers.results import read_table


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
