"""Computes both tiny runs in a clone, for ``tests.campaigns.damage``: ``python -m tests.campaigns.computed FOLDER``."""

import os
import sys
from pathlib import Path

from sedlib.base.machine.hardware import configure
from sedlib.grokking.study import Grokking
from sedlib.pipeline.parameters.row_params import DumpParams, RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.workspace import Workspace
from tests.clone import ALL, copied, names
from tests.tiny import TINY

RUNS = ("add-1", "both-1")


def main(folder: Path) -> None:
    """Every stage of every run, and the gradients of one in 16 bits, too."""
    folder.mkdir(parents=True)
    clone = copied(folder)
    clone.set(runs=TINY["runs"], single_step={"runs": [*RUNS]}, ablation={**TINY["ablation"], "runs": ["add-1"]})
    clone.repro(*(name for run in RUNS for name in names(ALL, run)), "ablations/dvc.yaml")
    for finished in folder.glob("artifacts/snapshots/*/finished"):
        finished.unlink()
    os.chdir(folder)
    run = Workspace(RUNS[-1])
    with RunCheckpoints.open(run.checkpoints, Grokking.of_run(run.run), configure()) as checkpoints:
        for dtype in ("float16", "bfloat16"):
            path = run.gradients.parent / dtype / run.gradients.name
            path.parent.mkdir()
            write_streams(path, checkpoints, RowParams.load().model_copy(update={"dump": DumpParams(dtype=dtype)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
