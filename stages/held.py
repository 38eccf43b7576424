"""Measure one run with windows that begin at their checkpoint, the last held to the end."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.machine.hardware import configure
from sedlib.grokking.by_the_scripts.held_windows import measure_held
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.rows.bases_file import open_bases
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.definition_tables import HELD, definition_table


def main(study: Study, run: Workspace) -> None:
    params, of = AnalysisParams.load(), Origin(run.run, study.to_json())
    coupling = read_table(run.table("coupling"), COUPLING, COUPLING.stage_of(run.run), of)
    with MeasuredNetworks.open(run.gradients, study, configure()) as networks, open_bases(run.bases, study) as bases:
        rows = measure_held(networks, bases, coupling, params)
        write_table(definition_table(HELD, run.run), rows, HELD, of)


if __name__ == "__main__":
    stage(main, __doc__)
