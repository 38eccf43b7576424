"""Gather the cells of several settings, each in a folder: grok steps and speed-ups over the control."""

import argparse
from pathlib import Path

from sedlib.base.arguments import folder_below
from sedlib.base.script import clear_errors
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.sections import PARAMS_FILE
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.cell_results import read_cell
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.accelerations import acceleration_figure, accelerations


def main(beside: str, settings: list[Path]) -> None:
    threshold = GrokParams.load(settings[0] / PARAMS_FILE).grok_threshold
    files = {setting.name: sorted((setting / "results").glob("*.csv")) for setting in settings}
    tables = {name: [read_cell(file, "dvc.yaml") for file in of_setting] for name, of_setting in files.items()}
    table = accelerations(tables, beside, threshold)
    write_both(Path(), "acceleration", table, table.round(3))
    save({"acceleration": acceleration_figure(table)}, Path())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", required=True, help="setting whose control stands for those without one")
    parser.add_argument("settings", nargs="+", type=folder_below, help="folders with params.yaml and results")
    with clear_errors():
        main(**vars(parser.parse_args()))
