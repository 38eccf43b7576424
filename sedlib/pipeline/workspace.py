"""Where a run's artifacts lie, and how a stage script is called."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError

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
        """Folder of the run's tables and figures."""
        return ARTIFACTS / "results" / self.run

    @property
    def summary(self) -> Path:
        """Written by figures."""
        return self.results / "summary.json"

    def write_table(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as ``name``.csv among the results."""
        write_table(self.results / f"{name}.csv", rows)


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV."""
    table = pd.DataFrame(list(rows))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def stage(main: Callable[[Workspace], None], description: str | None) -> None:
    """Call a stage script's ``main`` for the run named on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    workspace = Workspace(parser.parse_args().run)
    with clear_errors():
        main(workspace)


@contextmanager
def clear_errors() -> Iterator[None]:
    """End the script with code 1 and the message, without a traceback, on a UserError or Ctrl-C."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {' '.join([Path(sys.argv[0]).stem, *sys.argv[1:]])} is not finished")
