"""What DVC's locks say of the result tables: their hashes, and the parameters of the stages that wrote them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sedlib.base.yaml.yaml_file import read_mapping
from sedlib.upkeep.packing.place import MAIN, Place
from sedlib.upkeep.whole_locks import PARAMS, locked_outputs


@dataclass(frozen=True)
class Locked:
    """Tables and descriptions in the folder of a pack by their names."""

    hashes: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the stage that wrote each, by their keys in params.yaml."""

    @classmethod
    def load(cls, place: Place = MAIN) -> "Locked":
        """From the locks of the repository in the working directory, and of its folders; or of a sweep's pipeline.

        A sweep's stages have parameters of their own, so that its parameters are not named: DVC compares them when it
        is asked what is stale, and nothing reads a sweep's tables without DVC.

        Raises
        ------
        UserError
            One is broken, or another command runs.
        """
        if place.is_of_a_sweep:
            return cls(_of_sweep(place))
        locked = cls()
        for file in [Path("dvc.lock"), *sorted(Path().glob("*/dvc.lock"))]:
            for name, digest, parameters in _tables(file) if file.exists() else ():
                locked.hashes[name], locked.parameters[name] = digest, parameters
        return locked

    def differing(self, tables: Mapping[str, bytes]) -> list[str]:
        """Those of the tables that are not what the locks say."""
        return [name for name, content in tables.items() if self.hashes.get(name) != _md5(content)]

    def changed_parameters(self, tables: Iterable[str]) -> list[str]:
        """Keys of params.yaml that have another value now than for the stages that wrote the tables."""
        values = read_mapping(Path(PARAMS))
        then = {key: value for name in tables for key, value in self.parameters.get(name, {}).items()}
        return [key for key, value in then.items() if _value_at(values, key) != value]


def _tables(lock: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for out, parameters in locked_outputs(lock):
        if MAIN.holds(str(out.get("path"))):
            yield out["path"], str(out.get("md5")), parameters


def _of_sweep(place: Place) -> dict[str, str]:
    """By DVC, as stages of a sweep have working directories of their own, from which their lock names files."""
    from sedlib.upkeep.bundling.locked_files import content_hash, locked_repository  # DVC takes a second to import
    from sedlib.upkeep.kept import outputs

    with locked_repository() as repo:
        found = [(Path(out.fs_path).relative_to(repo.root_dir), out) for _, out in outputs(repo, [place.folder])]
    return {path.as_posix(): content_hash(out) for path, out in found if place.holds(path.as_posix())}


def _md5(content: bytes) -> str:
    """As DVC has it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _value_at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
