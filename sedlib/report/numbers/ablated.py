"""Table of a run's ablations: what each value of each axis makes of the coupling ratio."""

from pathlib import Path

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.results import RunResults, grok_step

COLUMNS = ["axis", "value", "op", "plateau", "peak", "final", "r1_peak", "r1_final"]


def ablation_table(results: RunResults, folder: Path, grok_threshold: float) -> pd.DataFrame:
    r"""A row per axis, value and operation of the tables in ``folder``, columns ``COLUMNS``.

    Of R̄ over the measured checkpoints at which the window is whole: plateau, the median up to the grok step, peak
    and final; of R_1, the first direction's ratio, peak and final.

    Raises
    ------
    UserError
        There is no table.
    """
    files = sorted((folder / "ablation").glob("*.csv"))
    if not files:
        raise UserError(
            f"no tables in {folder / 'ablation'}; name the run under ablation.runs and run "
            "`dvc repro ablations/dvc.yaml`"
        )
    rows = []
    for file in files:
        table = pd.read_csv(file, dtype={"value": str})
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
