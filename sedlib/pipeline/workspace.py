"""Where a run's artifacts lie, and which names a run can have: they are names of files and words of commands."""

import re
from dataclasses import dataclass
from pathlib import Path

from sedlib.base.errors import UserError, quoted

ARTIFACTS = Path("artifacts")
INTERVENTION_TABLES = ARTIFACTS / "results" / "interventions"
"""Folder of the intervention cells' tables."""
LONGEST_NAME = 64
"""Characters of a run's name: a cell's file name has a hundred more at most, and a file system takes 255."""


def name_problem(run: str) -> str | None:
    """Why a run cannot have this name, of which files are named and which commands hold; None where it can.

    >>> name_problem("add-42")
    >>> name_problem("../add")
    "run name '../add' cannot be a file name; use letters, digits, - and _, first a letter or digit"
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", run):
        return f"run name {quoted(run)} cannot be a file name; use letters, digits, - and _, first a letter or digit"
    if len(run) > LONGEST_NAME:
        return f"run name {quoted(run)} has {len(run)} characters; choose one of at most {LONGEST_NAME}"
    if run.lower() == INTERVENTION_TABLES.name:
        return f"run name {run!r} is that of the folder of intervention tables; choose another"
    return None


@dataclass(frozen=True)
class Workspace:
    """Paths of one run's artifacts, relative to the root of the repository.

    Raises
    ------
    UserError
        No run can have this name, which might lead elsewhere.
    """

    run: str

    def __post_init__(self) -> None:
        if problem := name_problem(self.run):
            raise UserError(problem)

    @property
    def checkpoints(self) -> Path:
        """Written by train."""
        return ARTIFACTS / "checkpoints" / f"{self.run}.h5"

    @property
    def gradients(self) -> Path:
        """Written by dump."""
        return ARTIFACTS / "gradients" / f"{self.run}.h5"

    @property
    def bases(self) -> Path:
        """Written by bases."""
        return ARTIFACTS / "bases" / f"{self.run}.h5"

    @property
    def centroids(self) -> Path:
        """Written by centroids."""
        return ARTIFACTS / "centroids" / f"{self.run}.h5"

    @property
    def results(self) -> Path:
        """Folder of the run's tables."""
        return ARTIFACTS / "results" / self.run

    @property
    def figures(self) -> Path:
        """Folder of its figures."""
        return self.results / "figures"

    @property
    def summary(self) -> Path:
        """Written by figures."""
        return self.results / "summary.json"

    def table(self, name: str) -> Path:
        """A table among the results."""
        return self.results / f"{name}.csv"
