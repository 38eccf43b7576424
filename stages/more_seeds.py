"""Judge claims that three seeds leave open on the seeds of root and sweep together: sweeps/more_seeds."""

import argparse
from collections.abc import Sequence
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


def main(folder: Path, without: list[str]) -> None:
    require_like_the_root(folder, without)
    sub, mul = (read(Path(), op, COUPLING) | read(folder, op, WINDOWS) for op in ("sub", "mul"))
    kinds = (SINGLE_STEP, ANGLES, CENTROIDS)
    ratios, angles, centroids = ({**read(Path(), "add", kind), **read(folder, "add", kind, without)} for kind in kinds)
    of_peaks = (peaks("sub", sub, "gradient-peak"), peaks("mul", mul, "gradient-over-update"))
    examples = per_example({seed: (ratios[seed], angles[seed]) for seed in ratios})
    table = more_seeds([*of_peaks, examples, *ranks({seed: (centroids[seed], ratios[seed]) for seed in ratios})])
    write_both(folder, "seeds", table, table)


def read(of: Path, op: str, schema: TableSchema, without: Sequence[str] = ()) -> dict[int, pd.DataFrame]:
    found, results, root = {}, of / ARTIFACTS / "results", of == Path()
    for run, seed in runs_of(of / PARAMS_FILE, op, without).items():
        parameters = Experiment.load(run, of / PARAMS_FILE).model_dump_json()
        found[seed] = RunFolder(results / run, parameters, None if root else run).read(schema)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=folder_below, help="of the sweep, whose runs have seeds of their own")
    text = "run of the sweep without bases of single checkpoints; may be repeated"
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help=text)
    with clear_errors():
        main(**vars(parser.parse_args()))
