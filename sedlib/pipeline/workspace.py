"""Where a run's artifacts lie."""

from dataclasses import dataclass
from pathlib import Path

ARTIFACTS = Path("artifacts")
INTERVENTION_TABLES = ARTIFACTS / "results" / "interventions"
"""Folder of the intervention cells' tables."""


@dataclass(frozen=True)
class Workspace:
    """Paths of one run's artifacts, relative to the root of the repository."""

    run: str

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
