"""Measure one run's coupling of per-example gradients from its grok step on, from its checkpoints alone."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.errors import UserError
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.coupling.examples_along_run import measure_examples
from sedlib.pipeline.coupling.training_phases import grokked_by_all
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.single_step_tables import EXAMPLES
from sedlib.terms.tables.training_table import TRAINING


def main(study: Study, run: Workspace) -> None:
    params, measured, threshold = AnalysisParams.load(), RowParams.load().measured_checkpoints, GrokParams.load()
    of = Origin(run.run, study.to_json())
    training = read_table(run.table("training"), TRAINING, TRAINING.stage_of(run.run), of)
    if (grokked := grokked_by_all(training, threshold.grok_threshold)) is None:
        raise UserError(
            f"{run.run} did not reach a test accuracy of {threshold.grok_threshold}, so that no step is after it"
        )
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        count = len(checkpoints.steps) if measured == "all" else measured
        write_table(run.table("examples"), measure_examples(checkpoints, params, grokked, count), EXAMPLES, of)


if __name__ == "__main__":
    stage(main, __doc__)
