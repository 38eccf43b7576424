"""Where a run's artifacts lie, and how a stage script is called."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.atomic import replacing
from sedlib.errors import UserError

ARTIFACTS = Path("artifacts")


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
        """Folder of the run's tables and figures."""
        return ARTIFACTS / "results" / self.run

    @property
    def summary(self) -> Path:
        """Written by figures."""
        return self.results / "summary.json"

    def write_table(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as ``name``.csv among the results."""
        table = pd.DataFrame(list(rows))
        with replacing(self.results / f"{name}.csv") as path:
            table.to_csv(path, index=False)


def stage(main: Callable[[Workspace], None], description: str | None) -> None:
    """Call a stage script's ``main`` for the run named on the command line; a UserError ends it with code 1."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    run = parser.parse_args().run
    try:
        main(Workspace(run))
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {Path(sys.argv[0]).stem} of {run} is not finished")
