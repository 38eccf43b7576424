"""What the stages took, by kind of stage, as `sedlib costs --keep` puts it beside the results."""

from pathlib import Path

import numpy as np
import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.digits import number, spanned

COSTS = Path("costs.csv")
"""In reports/, but no part of the pipeline: equal results have equal bytes, and no two runs take equally long."""
NUMBERS = ["minutes", "core_minutes", "peak_mib", "threads"]
WORDS = ["stage", "processor", "versions"]


def cost_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The page's table of costs; none where a report has no costs beside it.

    Raises
    ------
    UserError
        The file is not such a table.
    """
    if not (folder / COSTS).exists():
        return {}
    try:
        stages = pd.read_csv(folder / COSTS, dtype=dict.fromkeys(WORDS, str), keep_default_na=False)[WORDS + NUMBERS]
        stages[NUMBERS] = stages[NUMBERS].astype(float)
        if not (np.isfinite(stages[NUMBERS]) & (stages[NUMBERS] >= 0)).all(axis=None):
            raise ValueError("a number that is negative or not finite")
    except (KeyError, ValueError, OSError) as error:
        raise UserError(
            f"{folder / COSTS}: expected the columns {', '.join(WORDS + NUMBERS)}, found another table ({error}); "
            f"restore it with git checkout {folder / COSTS}, or remove it"
        ) from error
    if stages.empty:
        return {}
    stages = stages.drop_duplicates("stage", keep="last")  # a merge leaves both, and `sedlib costs` takes the last
    kinds = stages.groupby(stages["stage"].str.partition("@")[0].rename("kind"), sort=False)
    return {"costs": pd.DataFrame([_row(str(kind), rows) for kind, rows in kinds])}


def _row(kind: str, stages: pd.DataFrame) -> dict[str, str | int]:
    return {
        "stages of kind": kind,
        "n": len(stages),
        "minutes each": _span(stages["minutes"]),
        "core minutes each": _span(stages["core_minutes"]),
        "core minutes of all": number(stages["core_minutes"].sum()),
        "peak MiB": _span(stages["peak_mib"]),
        "threads": _span(stages["threads"]),
        "processor": _words(stages["processor"]),
        "versions": _words(stages["versions"]),
    }


def _span(values: "pd.Series[float]") -> str:
    return spanned(values.min(), values.max())


def _words(values: "pd.Series[str]") -> str:
    return "; ".join(values.unique())
