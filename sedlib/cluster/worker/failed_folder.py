"""The folder of a stage that failed, kept for a look, with the command that runs the stage in it by hand."""

import re
import shutil
from pathlib import Path

from sedlib.base.errors import UserError
from sedlib.cluster.plan.jobs import Job
from sedlib.cluster.worker.snapshot import git
from sedlib.cluster.worker.workers import sees

KEPT = "failed"
"""Folder in .dvc/tmp/sedlib."""


def keep(job: Job, clone: Path) -> str:
    """Move a stage's clone to where the client finds it; what to say of it."""
    if not sees(job.scratch):
        return "\nIts folder is not kept, as this worker does not see the workspace.\n"
    folder = Path(job.scratch).parent / KEPT / re.sub(r"[^\w@.-]", "-", job.task.stage)
    try:
        git("repack", "-adq", cwd=clone)  # its objects are borrowed from a folder that ends with the command
        (clone / ".git/objects/info/alternates").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(clone, folder)
    except (OSError, UserError) as error:
        return f"\nIts folder could not be kept: {error}\n"
    return (
        f"\nIts folder is kept; to run the stage in this folder:\n  cd {folder / job.prefix}\n"
        f"  PYTHONPATH={folder} dvc repro --single-item {job.task.stage}\n"
    )
