"""Gather the cells of several settings, each in a folder: grok steps and speed-ups over the control."""

import argparse
from pathlib import Path

from sedlib.base.arguments import folder_below
from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.labelled_cells import parameters_in
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.sections import PARAMS_FILE
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.cell_results import read_cells
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.accelerations import Setting, acceleration_figure, accelerations
from sedlib.report.sweeps.folders import the_same
from sedlib.report.sweeps.outcomes import for_reading


def main(beside: str, without_control: list[str], settings: list[Path]) -> None:
    files = {setting: sorted((setting / "results").glob("*.csv")) for setting in settings}
    tables = {
        setting: read_cells(of_setting, parameters_in(setting / PARAMS_FILE), "sweeps/acceleration/dvc.yaml")
        for setting, of_setting in files.items()
    }
    runs = {setting: list(Params.load(setting / PARAMS_FILE).runs) for setting in settings}
    thresholds = {str(setting): GrokParams.load(setting / PARAMS_FILE).grok_threshold for setting in settings}
    found = [Setting(setting.name, runs[setting], tables[setting]) for setting in settings]
    table = accelerations(found, beside, the_same("grok_threshold", thresholds), without_control)
    write_both(Path(), "acceleration", table, for_reading(table))
    save({"acceleration": acceleration_figure(table)}, Path())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", required=True, help="setting whose control stands for those without one")
    text = "setting that has none of its own; may be repeated"
    parser.add_argument("--without-control", action="append", default=[], metavar="NAME", help=text)
    parser.add_argument("settings", nargs="+", type=folder_below, help="folders with params.yaml and results")
    with clear_errors():
        main(**vars(parser.parse_args()))
