"""Files that stages of a run write: what each carries of the run, and the commands that bring one back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import h5py
from pydantic import BaseModel, ValidationError

from sedlib.base.errors import quoted
from sedlib.base.hdf5.store import UNREADABLE, Schema
from sedlib.base.remedy import remedy

SettingsType = TypeVar("SettingsType", bound=BaseModel)


@dataclass(frozen=True)
class ArtifactSchema(Schema):
    """The contract of one kind of artifact, which one stage writes for each run."""

    attributes: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(("run", "layout", "settings")))
    """JSON texts: all that determines the run, the ParamLayout of the slots, parameters of the stage."""
    stage: str = ""
    """The DVC stage that writes it."""

    def remedy(self, path: Path) -> str:
        """The commands that bring the file back, by the stage that writes it."""
        return remedy(f"{self.stage}@{path.stem}", path)

    def settings(self, file: h5py.File, kind: type[SettingsType]) -> SettingsType:
        """The parameters of the stage that an ``opened`` file carries.

        Raises
        ------
        ArtifactError
            They are not of that kind, or not written as the stage writes them.
        """
        try:
            text = file.attrs["settings"]
            found = kind.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "the whole"
            raise self.error(
                file.filename, f"settings that its stage cannot have ({where}: {problem['msg']})"
            ) from error
        except UNREADABLE as error:
            raise self.error(file.filename, f"settings that cannot be read ({error})") from error
        if (written := found.model_dump_json()) != text:
            raise self.error(file.filename, f"settings {quoted(text)}, which its stage writes as {quoted(written)}")
        return found
