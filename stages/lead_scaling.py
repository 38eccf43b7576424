"""Fit the lead of the defect's onset to the grok step, over the runs of a sweep of learning rates."""

import argparse
from pathlib import Path

from sedlib.base.arguments import file_name, number_name
from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.base.script import clear_errors
from sedlib.base.strict_json import json_text
from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.sections import PARAMS_FILE
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.results import RunFolder
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.folders import require_different, the_same
from sedlib.report.sweeps.lead_scaling import lead_figure, leads_of, scaling


def main(run: str, rates: list[str]) -> None:
    require_different([f"{float(rate):g}" for rate in rates])
    thresholds = {rate: GrokParams.load(Path(rate) / PARAMS_FILE).grok_threshold for rate in rates}
    leads = leads_of({float(rate): folder(run, rate) for rate in rates}, the_same("grok_threshold", thresholds))
    law = scaling(leads)
    write_both(Path(), "leads", leads, leads)
    with replacing(Path("scaling.json")) as path:
        path.write_text(json_text(law, indent=2) + "\n")
    save({"leads": lead_figure(leads, law)}, Path())


def folder(run: str, rate: str) -> RunFolder:
    experiment = Experiment.load(run, Path(rate) / PARAMS_FILE)
    if (given := experiment.optimizer.lr) != float(rate):
        raise UserError(f"{rate}/{PARAMS_FILE}: optimizer.lr must be the folder's name, got {given:g}")
    if len(experiment.run.ops) != 1:
        raise UserError(f"{rate}/{PARAMS_FILE}: {run} must have one operation, got {', '.join(experiment.run.ops)}")
    return RunFolder(Path(rate) / ARTIFACTS / "results" / run, experiment.model_dump_json(), variant=rate)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=file_name, help="name of the run that every folder trains")
    parser.add_argument(
        "rates", nargs="+", type=number_name, metavar="LR", help="learning rates, each the name of its folder"
    )
    with clear_errors():
        main(**vars(parser.parse_args()))
