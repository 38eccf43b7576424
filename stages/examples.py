"""Measure one run's coupling of per-example gradients at stops after grokking, from its checkpoints alone."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.coupling.examples_along_run import measure_examples
from sedlib.pipeline.coupling.training_phases import grokked_by_all
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.stops_after_grokking import STOPS
from sedlib.terms.tables.single_step_tables import EXAMPLES
from sedlib.terms.tables.training_table import TRAINING


def main(study: Study, run: Workspace) -> None:
    params, threshold, of = AnalysisParams.load(), GrokParams.load().grok_threshold, Origin(run.run, study.to_json())
    training = read_table(run.table("training"), TRAINING, TRAINING.stage_of(run.run), of)
    grokked = grokked_by_all(training, threshold)
    with RunCheckpoints.open(run.checkpoints, study, configure()) as checkpoints:
        steps = checkpoints.steps
        # Of a run that never groks, which no stop is after, the last: a table has rows.
        measured = steps[-1:] if grokked is None else [grokked + stop for stop in STOPS if grokked + stop in steps]
        write_table(run.table("examples"), measure_examples(checkpoints, params, measured), EXAMPLES, of)


if __name__ == "__main__":
    stage(main, __doc__)
