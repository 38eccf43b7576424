"""Where snapshots lie, and when they go."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from sedlib.pipeline.workspace import ARTIFACTS

FINISHED = "finished"
"""File in the folder of snapshots whose stage wrote its outputs."""
SECONDS_AFTER_THE_END = 300.0
"""DVC takes a while to put outputs into its cache, and a DVC that is killed meanwhile has none."""
SECONDS_WITHOUT_A_CHANGE = 14 * 24 * 3600.0


def snapshots_folder() -> Path:
    """The folder that SEDLIB_SNAPSHOTS names, or else artifacts/snapshots.

    That is the workspace's also for the throw-away clones of `sedlib repro` and `dvc exp run --temp`, which lie in its
    .dvc/tmp.
    """
    if given := os.environ.get("SEDLIB_SNAPSHOTS"):
        return Path(given)
    here = Path.cwd()
    workspace = next((folder.parent.parent for folder in here.parents if folder.parts[-2:] == (".dvc", "tmp")), here)
    return workspace / ARTIFACTS / "snapshots"


def remove_old_snapshots() -> None:
    """Remove those of stages that ended a while ago, and those that nobody came back to."""
    for folder in snapshots_folder().glob("*-*"):
        with suppress(OSError):  # another process removes them too
            if _is_old(folder):
                shutil.rmtree(folder)


def _is_old(folder: Path) -> bool:
    finished = folder / FINISHED
    if finished.exists():
        return time.time() - finished.stat().st_mtime > SECONDS_AFTER_THE_END
    return time.time() - folder.stat().st_mtime > SECONDS_WITHOUT_A_CHANGE  # when a file came or went
