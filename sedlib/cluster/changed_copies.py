"""Throw-away copies of the workspace in which parameters have other values."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from dvc.utils.hydra import apply_overrides

from sedlib.cluster.exclusive import settings
from sedlib.cluster.grid import Values
from sedlib.cluster.worker.child import configure
from sedlib.cluster.worker.snapshot import clone, take, unpack


class ChangedCopies:
    """Copies of the DVC repository in the working directory, with the files that git tracks as they are now.

    Attributes
    ----------
    origin, prefix
        A git repository with these files as ``snapshot``, and the DVC repository's folder in it.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        os.environ["DVC_SITE_CACHE_DIR"] = str(scratch / "site")  # of the copies, which are thrown away
        base = take(root)
        self.origin, self.prefix = unpack(base.bundle, base.commit, scratch), base.prefix
        self._scratch, self._settings = scratch, settings()

    @contextlib.contextmanager
    def entered(self, by_file: Values) -> Iterator[list[str]]:
        """Make a copy the working directory, with values set in it; gives them as ``-S`` takes them."""
        folder = self._scratch / f"point-{len(list(self._scratch.glob('point-*')))}"
        clone(self.origin, folder)
        with contextlib.chdir(folder / self.prefix):
            configure(self._settings)
            for file, values in by_file.items():
                apply_overrides(file, values)
            yield [f"{file}:{value}" for file, values in by_file.items() for value in values]
