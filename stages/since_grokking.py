"""Set coupling ratios against the steps since grokking, of runs that go on after it: sweeps/after_grokking."""

import argparse
from pathlib import Path

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.base.script import clear_errors
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.results import RunFolder, grok_step
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.since_grok import curves_of, for_reading, peaks, per_example_curve, sentence, since_figure
from sedlib.report.sweeps.spread_since_grok import spread_sentence, spreads
from sedlib.terms.tables.single_step_tables import EXAMPLES
from sedlib.terms.tables.training_table import TRAINING
from sedlib.terms.tables.windows_table import WINDOWS


def main() -> None:
    window, threshold = BasisParams.load().window, GrokParams.load().grok_threshold
    curves: dict[str, dict[str, dict[str, pd.Series]]] = {}
    seeds: dict[str, int] = {}
    never: list[str] = []
    for run in Params.load().runs:
        experiment = Experiment.load(run)
        seeds[run] = experiment.run.seed
        folder = RunFolder(ARTIFACTS / "results" / run, experiment.model_dump_json(), variant=run)
        training, table = folder.read(TRAINING), folder.read(WINDOWS)
        op, *others = training["op"].unique()
        if others:
            raise UserError(f"{run} must have one operation, got {', '.join([op, *others])}; leave it out of runs")
        if (grokked := grok_step(training, op, threshold)) is not None:
            curves.setdefault(op, {})[run] = curves_of(table, op, grokked, window)
            if op == "add":  # of which the paper has the basis of per-example gradients
                curves[op][run] |= per_example_curve(folder.read(EXAMPLES), op, grokked)
        else:
            never.append(run)
    if not curves:
        raise UserError(f"no run reached a test accuracy of {threshold}; choose a larger max_steps in params.yaml")
    spread = spreads(curves, seeds)
    found = pd.concat([peaks(curves), spread])
    text = sentence(found, never) + "".join(f"- {said}\n" for said in spread_sentence(spread))
    write_both(Path(), "since", found.drop(columns="shown"), for_reading(found, window), text + "\n")
    save({"since": since_figure(curves, window)}, Path())


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with clear_errors():
        main()
