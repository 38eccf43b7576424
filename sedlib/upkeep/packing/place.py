"""Where a pack lies, and which tables of the workspace it holds."""

import re
from dataclasses import dataclass
from pathlib import Path

from sedlib.base.errors import UserError, quoted

PACK, RESULTS = Path("reports/results.tar.xz"), Path("artifacts/results")
SWEEPS = Path("sweeps")
PART = r"[A-Za-z0-9](?:[\w-]|\.[0-9])*"


@dataclass(frozen=True)
class Place:
    """A pack, and the folder that has its tables."""

    pack: Path
    folder: Path

    @classmethod
    def of_sweep(cls, folder: Path) -> "Place":
        """The pack of a folder of sweeps/, which lies in that folder.

        Raises
        ------
        UserError
            There is no such sweep.
        """
        if folder.parent != SWEEPS or not (folder / "dvc.yaml").is_file():
            wanted = "expected a folder of sweeps/ with a dvc.yaml, such as sweeps/doses"
            raise UserError(f"{quoted(str(folder))}: {wanted}")
        return cls(folder / PACK.name, folder)

    @property
    def manifest(self) -> str:
        """Name in the pack of its list of hashes."""
        return f"{self.folder.as_posix()}.json"

    @property
    def is_of_a_sweep(self) -> bool:
        """Whether it is one of a folder of sweeps/."""
        return self.folder.parent == SWEEPS

    @property
    def repro(self) -> str:
        """The command that computes its tables."""
        return f"dvc repro {self.folder.as_posix()}/dvc.yaml" if self.is_of_a_sweep else "dvc repro"

    def holds(self, name: str) -> bool:
        """Whether the pack may hold a file of this name, as it is in the workspace; none leads out of the folder."""
        table = rf"{re.escape(self.folder.as_posix())}(?:/{PART})+(?:\.resource)?\.(?:csv|json)"
        return bool(re.fullmatch(table, name, re.ASCII))


MAIN = Place(PACK, RESULTS)
"""Of what plain `dvc repro` computes."""
