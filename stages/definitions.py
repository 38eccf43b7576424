"""Put each reading by the papers' text beside that by their released scripts: the tables of sweeps/definitions."""

import argparse
from pathlib import Path

import pandas as pd

from sedlib.base.arguments import file_name, folder_below
from sedlib.base.described.table_schema import TableSchema
from sedlib.base.script import clear_errors
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.numbers.results import RunFolder, grok_step
from sedlib.report.numbers.trajectories import run_accurate_step
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.two_definitions import batches, defects, leads, overlaps, windows
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.definition_tables import DEFECTS, HELD, OVERLAPS, OWN_BATCHES
from sedlib.terms.tables.training_table import TRAINING


def main(folder: Path, others: list[str]) -> None:
    threshold = GrokParams.load().grok_threshold
    held, own, growing = (tables(folder, schema) for schema in (HELD, OWN_BATCHES, DEFECTS))
    measured = {run: RunFolder(ARTIFACTS / "results" / run) for run in (*held, *own)}
    by_text = {run: of.read(COUPLING) for run, of in measured.items()}
    grokked = {run: grok_step(measured[run].read(TRAINING), "add", threshold) for run in held}
    grokking, apart = ({run: growing[run] for run in growing if (run in others) == other} for other in (False, True))
    rows = [*windows(by_text, held, grokked), *batches(by_text, own), *overlaps(tables(folder, OVERLAPS))]
    accurate = {run: run_accurate_step(RunFolder(ARTIFACTS / "results" / run).read(TRAINING)) for run in grokking}
    table = pd.DataFrame([*rows, *defects(grokking, apart), *leads(grokking, apart, accurate)])
    write_both(folder, "definitions", table, table)


def tables(folder: Path, schema: TableSchema) -> dict[str, pd.DataFrame]:
    files = sorted((folder / "results").glob(f"*/{schema.name}.csv"))
    return {file.parent.name: RunFolder(file.parent).read(schema) for file in files}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=folder_below, help="of the sweep, whose tables are in its folder results")
    parser.add_argument("others", nargs="*", type=file_name, help="of the runs with defects, those that do not grok")
    with clear_errors():
        main(**vars(parser.parse_args()))
