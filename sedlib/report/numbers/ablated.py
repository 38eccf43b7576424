"""Table of a run's ablations: what each value of each axis makes of the coupling ratio."""

from pathlib import Path

import pandas as pd

from sedlib.base.described.described_files import damaged
from sedlib.base.described.description import shown
from sedlib.base.described.tables import read_table
from sedlib.base.errors import UserError
from sedlib.report.numbers.results import RunFolder, RunResults, grok_step
from sedlib.terms.tables.ablation_table import ABLATION, ablating_stage

COLUMNS = ["axis", "value", "op", "plateau", "peak", "final", "r1_peak", "r1_final"]


def ablation_table(results: RunResults, folder: RunFolder, grok_threshold: float) -> pd.DataFrame:
    r"""A row per axis, value and operation of the tables in ``folder``, columns ``COLUMNS``.

    Of R̄ over the measured checkpoints at which the window is whole: plateau, the median up to the grok step, peak
    and final; of R_1, the first direction's ratio, peak and final.

    Raises
    ------
    UserError
        There is no table, or one is damaged, of another run or another axis.
    """
    files = sorted((folder.path / "ablation").glob("*.csv"))
    if not files:
        raise UserError(
            f"no tables in {folder.path / 'ablation'}; name the run under ablation.runs and run "
            "`dvc repro ablations/dvc.yaml`"
        )
    rows = []
    for file in files:
        table = _read(file, folder)
        for (value, op), curve in table.groupby(["value", "op"], sort=False):
            grokked = grok_step(results.training, str(op), grok_threshold)
            mean = curve.groupby("step")["ratio"].mean()
            first = curve[curve["direction"] == 1].set_index("step")["ratio"]
            rows.append(
                {
                    "axis": file.stem,
                    "value": value,
                    "op": op,
                    "plateau": mean.loc[:grokked].median() if grokked is not None else None,
                    "peak": mean.max(),
                    "final": mean.iloc[-1],
                    "r1_peak": first.max(),
                    "r1_final": first.iloc[-1],
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _read(file: Path, folder: RunFolder) -> pd.DataFrame:
    stage = ablating_stage(folder.path.name, file.stem)
    table = read_table(file, ABLATION, stage, folder.origin)
    if set(table["axis"]) != {file.stem}:
        raise damaged(file, f"the axis {file.stem}", shown(", ".join(table["axis"].unique())), stage)
    return table
