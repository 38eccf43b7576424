"""Set coupling ratios and growth of the defect against the steps since grokking, of runs that go on after it."""

import argparse
from pathlib import Path

import pandas as pd

from sedlib.base.script import clear_errors
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.results import RunFolder
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.curves_since_grok import curves_in
from sedlib.report.sweeps.growth_since_grok import growth_sentence, least_growth
from sedlib.report.sweeps.since_grok import for_reading, peaks, sentence, since_figure
from sedlib.report.sweeps.spread_since_grok import spreads


def main() -> None:
    window, threshold = BasisParams.load().window, GrokParams.load().grok_threshold
    experiments = {run: Experiment.load(run) for run in Params.load().runs}
    folders = {
        run: RunFolder(ARTIFACTS / "results" / run, experiment.model_dump_json(), variant=run)
        for run, experiment in experiments.items()
    }
    curves, never = curves_in(folders, window, threshold)
    spread = spreads(curves, {run: experiment.run.seed for run, experiment in experiments.items()})
    found = pd.concat([peaks(curves), spread, least := least_growth(curves)])
    text = sentence(found, never) + growth_sentence(least)
    write_both(Path(), "since", found.drop(columns="shown"), for_reading(found, window), text + "\n")
    save({"since": since_figure(curves, window)}, Path())


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with clear_errors():
        main()
