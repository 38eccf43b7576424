"""Set speed-ups against the share of a step that passes, of coordinates and of SED directions: sweeps/doses."""

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
from sedlib.report.sweeps.share_curve import share_curve, share_figure


def main(folder: Path, beside: list[str]) -> None:
    files = [INTERVENTION_TABLES / f"{name}.csv" for name in beside] + sorted((folder / "results").glob("*.csv"))
    threshold, rank = GrokParams.load().grok_threshold, ProjectionParams.load().rank
    curve = share_curve(read_cells(files, parameters_in()), threshold, rank)
    write_both(folder, "shares", curve, curve.round(4))
    save({"shares": share_figure(curve)}, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=folder_below, help="of the sweep, whose cells are in its folder results")
    parser.add_argument("beside", nargs="*", type=file_name, help="names of cells of the pipeline, the controls too")
    with clear_errors():
        main(**vars(parser.parse_args()))
