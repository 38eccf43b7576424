"""Fit the lead of the defect's onset to the grok step, over the runs of a sweep of learning rates."""

import argparse
from pathlib import Path

from sedlib.base.arguments import file_name, number_name
from sedlib.base.atomic import replacing
from sedlib.base.script import clear_errors
from sedlib.base.strict_json import json_text
from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.sections import PARAMS_FILE
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.numbers.results import RunFolder
from sedlib.report.page.outgoing import as_csv, as_markdown
from sedlib.report.sweeps.lead_scaling import lead_figure, leads_of, scaling


def main(run: str, rates: list[str]) -> None:
    threshold = GrokParams.load(Path(rates[0]) / PARAMS_FILE).grok_threshold
    leads = leads_of({float(rate): folder(run, rate) for rate in rates}, threshold)
    law = scaling(leads)
    texts = {
        "leads.csv": as_csv("leads", leads),
        "leads.md": as_markdown(leads.astype(object).where(leads.notna(), NOTHING)),
        "scaling.json": json_text(law, indent=2) + "\n",
    }
    for name, text in texts.items():
        with replacing(Path(name)) as path:
            path.write_text(text)
    save({"leads": lead_figure(leads, law)}, Path())


def folder(run: str, rate: str) -> RunFolder:
    parameters = Experiment.load(run, Path(rate) / PARAMS_FILE).model_dump_json()
    return RunFolder(Path(rate) / ARTIFACTS / "results" / run, parameters, variant=rate)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=file_name, help="name of the run that every folder trains")
    parser.add_argument(
        "rates", nargs="+", type=number_name, metavar="LR", help="learning rates, each the name of its folder"
    )
    with clear_errors():
        main(**vars(parser.parse_args()))
