"""Measure one run's coupling at several windows from its checkpoints alone, as far as training went."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.coupling.along_run import measure_windows
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.windows_table import WINDOWS


def main(study: Study, run: Workspace) -> None:
    params, measured = AnalysisParams.load(), RowParams.load().measured_checkpoints
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        count = len(checkpoints.steps) if measured == "all" else measured
        rows = measure_windows(checkpoints, params, params.ablation.window, count)
        write_table(run.table("windows"), rows, WINDOWS, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
