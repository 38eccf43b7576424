"""Judge claims that three seeds leave open on the seeds of root and sweep together: sweeps/more_seeds."""

import argparse
from pathlib import Path

import pandas as pd

from sedlib.base.arguments import folder_below
from sedlib.base.described.table_schema import TableSchema
from sedlib.base.script import clear_errors
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.like_the_root import require_like_the_root, runs_of
from sedlib.pipeline.parameters.sections import PARAMS_FILE
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.numbers.results import RunFolder
from sedlib.report.page.outgoing import write_both
from sedlib.report.sweeps.more_seeds import more_seeds, peaks, per_example, ranks
from sedlib.terms.tables.centroid_table import CENTROIDS
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.single_step_tables import ANGLES, SINGLE_STEP
from sedlib.terms.tables.windows_table import WINDOWS


def main(folder: Path) -> None:
    require_like_the_root(folder)
    sub, mul = (read(Path(), op, COUPLING) | read(folder, op, WINDOWS) for op in ("sub", "mul"))
    kinds = (SINGLE_STEP, ANGLES, CENTROIDS)
    ratios, angles, centroids = ({**read(Path(), "add", kind), **read(folder, "add", kind)} for kind in kinds)
    numbers = [
        peaks("sub", sub, "gradient-peak"),
        peaks("mul", mul, "gradient-over-update"),
        per_example({seed: (ratios[seed], angles[seed]) for seed in ratios}),
        *ranks({seed: (centroids[seed], ratios[seed]) for seed in ratios}),
    ]
    write_both(folder, "seeds", table := more_seeds(numbers), table)


def read(of: Path, op: str, schema: TableSchema) -> dict[int, pd.DataFrame]:
    found = {}
    for run, seed in runs_of(of / PARAMS_FILE, op).items():
        parameters, variant = Experiment.load(run, of / PARAMS_FILE).model_dump_json(), None if of == Path() else run
        found[seed] = RunFolder(of / ARTIFACTS / "results" / run, parameters, variant).read(schema)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=folder_below, help="of the sweep, whose runs have seeds of their own")
    with clear_errors():
        main(**vars(parser.parse_args()))
