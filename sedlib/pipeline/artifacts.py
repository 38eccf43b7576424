"""Files that stages of a run write: what each carries of the run, and the commands that bring one back."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py

from sedlib.base.store import ArtifactError, Schema
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class ArtifactSchema(Schema):
    """The contract of one kind of artifact, which one stage writes for each run."""

    attributes: tuple[str, ...] = ("run", "layout", "settings")
    """JSON texts: all that determines the run, the ParamLayout of the slots, parameters of the stage."""
    shared_axes: frozenset[str] = field(default=frozenset({"steps", "params"}))
    stage: str = ""
    """The DVC stage that writes it."""

    def remedy(self, path: Path) -> str:
        """As by the stage that writes it."""
        return (
            f"Restore it with `dvc checkout --force {path}`, or write it anew with "
            f"`dvc repro --force --single-item {self.stage}@{path.stem}`."
        )

    def known_lengths(self, file: h5py.File) -> dict[str, tuple[int, str]]:
        """The number of parameters, where vectors of them are in the file."""
        if "params" not in self.shared_axes:
            return {}
        return {"params": (ParamLayout.from_json(file.attrs["layout"]).size, "the attribute layout")}


def provenance(source: h5py.File, settings: str) -> dict[str, str]:
    """Attributes of an artifact computed from ``source``: its run and layout, and the stage's own settings."""
    return {"run": source.attrs["run"], "layout": source.attrs["layout"], "settings": settings}


def require_same_run(*files: h5py.File) -> None:
    """Refuse artifacts that were computed from different runs.

    Raises
    ------
    ArtifactError
        Two files carry different run parameters.
    """
    first, *others = files
    for other in others:
        if other.attrs["run"] != first.attrs["run"]:
            raise ArtifactError(
                f"{first.filename} and {other.filename} come from different runs: "
                f"{first.attrs['run']} and {other.attrs['run']}. Restore both with `dvc checkout --force`, "
                "or write the second anew with `dvc repro`."
            )
