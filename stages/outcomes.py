"""Gather the cells of a sweep of interventions into one table, beside cells of the pipeline; draw the dose-response."""

import argparse
from pathlib import Path

from sedlib.base.arguments import file_name, folder_below
from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.labelled_cells import parameters_in
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.workspace import INTERVENTION_TABLES
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.cell_results import read_cells
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.outcomes import dose_response, for_reading, outcomes


def main(folder: Path, beside: list[str], *, doses: bool) -> None:
    threshold, settings = GrokParams.load().grok_threshold, ProjectionParams.load()
    files = [INTERVENTION_TABLES / f"{name}.csv" for name in beside] + sorted((folder / "results").glob("*.csv"))
    tables = read_cells(files, parameters_in())
    usual = {"rank": settings.rank, "target": str(settings.target), "start": settings.window}
    table = outcomes(tables, threshold, usual)
    write_both(folder, "outcomes", table, for_reading(table))
    if doses:
        save({"doses": dose_response(tables, threshold)}, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=folder_below, help="of the sweep, whose cells are in its folder results")
    parser.add_argument(
        "beside", nargs="*", type=file_name, help="names of cells of the pipeline, such as add-42-control"
    )
    parser.add_argument("--doses", action="store_true", help="draw grok step against strength, too")
    with clear_errors():
        main(**vars(parser.parse_args()))
