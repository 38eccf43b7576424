"""Measure one run's coupling ratios along one axis of the ablation, other parameters as they are."""

import argparse
from contextlib import ExitStack

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.machine.hardware import configure
from sedlib.base.script import clear_errors
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.coupling.ablation import Ablation
from sedlib.pipeline.parameters.ablation_params import AXES, AnalysisParams
from sedlib.pipeline.rows.bases_file import open_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.study import Study, load_study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.ablation_table import ABLATION
from sedlib.terms.tables.coupling_table import COUPLING


def main(study: Study, run: Workspace, axis: str) -> None:
    params, device = AnalysisParams.load(), configure()
    with ExitStack() as files:
        networks = files.enter_context(MeasuredNetworks.open(run.gradients, study, device))
        bases = files.enter_context(open_bases(run.bases, study))
        checkpoints = None
        if AXES[axis].needs_checkpoints:
            checkpoints = files.enter_context(RunCheckpoints.open(run.checkpoints, study, device))
        of = Origin(run.run, study.to_json())
        coupling = read_table(run.table("coupling"), COUPLING, COUPLING.stage_of(run.run), of)
        ablation = Ablation(params, networks, bases, coupling, checkpoints)
        write_table(run.table(f"ablation/{axis}"), ablation.along(axis), ABLATION, of)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    parser.add_argument("--axis", required=True, choices=AXES, metavar="AXIS", help=", ".join(AXES))
    given = parser.parse_args()
    with clear_errors():
        require_current_code(__file__)
        main(load_study().of_run(given.run), Workspace(given.run), given.axis)
