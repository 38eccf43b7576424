"""Set a run in the companion paper's slow regime beside what the paper says of it: sweeps/slow_regime."""

import argparse
from pathlib import Path

from sedlib.base.arguments import file_name
from sedlib.base.script import clear_errors
from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.results import RunFolder
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.slow_regime import SlowRun, for_reading, require_slow_regime


def main(run: str) -> None:
    experiment = Experiment.load(run)
    require_slow_regime(run, experiment.model_dump())
    folder = RunFolder(ARTIFACTS / "results" / run, experiment.model_dump_json())
    found = SlowRun(folder, GrokParams.load().grok_threshold)
    table = found.beside_paper()
    write_both(Path(), "regime", table, for_reading(table))
    save({"regime": found.figure()}, Path())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=file_name, help="name of a run in params.yaml")
    with clear_errors():
        main(**vars(parser.parse_args()))
