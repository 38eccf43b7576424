"""Put each reading by the papers' text beside that by their released scripts: the tables of sweeps/definitions."""

import argparse
from pathlib import Path

import pandas as pd

from sedlib.base.arguments import folder_below
from sedlib.base.described.table_schema import TableSchema
from sedlib.base.errors import UserError
from sedlib.base.script import clear_errors
from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.numbers.results import RunFolder, grok_step
from sedlib.report.numbers.trajectories import run_accurate_step
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.two_definitions import batches, defects, leads, overlaps, windows
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.definition_tables import DEFECTS, HELD, OVERLAPS, OWN_BATCHES
from sedlib.terms.tables.training_table import TRAINING


def main(folder: Path) -> None:
    held, own, growing = (tables(folder, schema) for schema in (HELD, OWN_BATCHES, DEFECTS))
    measured = {
        run: RunFolder(ARTIFACTS / "results" / run, Experiment.load(run).model_dump_json(), variant=run)
        for run in (*held, *own, *growing)
    }
    by_text = {run: measured[run].read(COUPLING) for run in (*held, *own)}
    grokked = {run: grok_step(measured[run].read(TRAINING), "add", GrokParams.load().grok_threshold) for run in held}
    accurate = {run: run_accurate_step(measured[run].read(TRAINING)) for run in growing}
    grokking, others = ({run: growing[run] for run in growing if (accurate[run] is None) == never} for never in (0, 1))
    rows = [*windows(by_text, held, grokked), *batches(by_text, own), *overlaps(tables(folder, OVERLAPS))]
    table = pd.DataFrame([*rows, *defects(grokking, others), *leads(grokking, others, accurate)])
    write_both(folder, "definitions", table, table)


def tables(folder: Path, schema: TableSchema) -> dict[str, pd.DataFrame]:
    files = sorted((folder / "results").glob(f"*/{schema.name}.csv"))
    if not files:
        raise UserError(f"{folder}/results has no {schema.name}.csv; run `dvc repro {folder}/dvc.yaml`")
    return {file.parent.name: RunFolder(file.parent).read(schema) for file in files}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=folder_below, help="of the sweep, whose tables are in its folder results")
    with clear_errors():
        main(**vars(parser.parse_args()))
