"""Results of a run whose defect and accuracy jump where a test says."""

from pathlib import Path

import pandas as pd

from sedlib.report.numbers.results import RunFolder
from tests.report import made_up


def folder(root: Path, onset: int, accurate: int, grokked: int) -> RunFolder:
    """A run whose defect jumps at ``onset``, whose accuracy passes 0.9 and then 0.98."""
    steps = range(0, 2001, 10)
    accuracy = [0.1 if step < accurate else 0.93 if step < grokked else 0.99 for step in steps]
    tables = made_up.geometry_tables(1)
    training = pd.DataFrame({"step": steps, "op": "add", "test_accuracy": accuracy})
    defects = [1.0 if step < onset else 100.0 for step in steps]
    last = tables["curvature"].iloc[-1].to_dict() | {"basis": "trajectory"}
    tables["curvature"] = pd.DataFrame({**last, "step": steps, "defect": defects})
    for name, table in (tables | {"training": training}).items():
        made_up.save(table, root, made_up.RUN_TABLES[name])
    return RunFolder(root)
