"""Measure one run's coupling along its gradient on permuted answers, beside the gradient's own."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.coupling.permuted_answers import measure_permuted
from sedlib.pipeline.parameters.permuted_params import PermutedAnalysis
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.permuted_table import PERMUTED


def main(study: Study, run: Workspace) -> None:
    params, device, of = PermutedAnalysis.load(), configure(), Origin(run.run, study.to_json())
    coupling = read_table(run.table("coupling"), COUPLING, COUPLING.stage_of(run.run), of)
    with (
        RunCheckpoints.open(run.checkpoints, study, device) as checkpoints,
        MeasuredNetworks.open(run.gradients, study, device) as networks,
    ):
        write_table(run.table("permuted"), measure_permuted(checkpoints, networks, coupling, params), PERMUTED, of)


if __name__ == "__main__":
    stage(main, __doc__)
