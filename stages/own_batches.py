"""Measure one multitask run with a gradient batch and probes of each operation's own."""

from typing import cast

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.grokking.by_the_scripts.own_batches import measure_own
from sedlib.grokking.study import Grokking
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.definition_tables import OWN_BATCHES, definition_table


def main(study: Study, run: Workspace) -> None:
    params, device, experiment = AnalysisParams.load(), configure(), cast("Grokking", study).experiment
    with (
        RunCheckpoints.open(run.checkpoints, study, device) as checkpoints,
        MeasuredNetworks.open(run.gradients, study, device) as networks,
    ):
        rows = measure_own(checkpoints, networks, experiment, params)
        write_table(definition_table(OWN_BATCHES, run.run), rows, OWN_BATCHES, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
