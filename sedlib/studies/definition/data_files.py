"""The data that a project's stages read, beside parameters and code: what a stage began with. No torch."""

import glob
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sedlib.base.edited import watched
from sedlib.pipeline.workspace import ARTIFACTS

PIPELINE = Path("dvc.yaml")
WRITTEN = ("outs", "metrics", "plots")
"""Sections of a stage that name what it writes."""


@watched
def data_files(checkpoints: str | None = None, path: Path = PIPELINE) -> dict[str, str]:
    """Size and time of each file under the ``deps`` of a project, and of a run's finished checkpoints.

    Files below ``artifacts`` and what stages write are left out: DVC lets nobody write one while a stage reads it.

    Parameters
    ----------
    checkpoints
        A folder or a glob.
    """
    declared = YAML(typ="safe").load(path.read_text(encoding="utf-8")) if path.exists() else None
    named = [*_dependencies(declared), *([checkpoints] if checkpoints else [])]
    found = {file for name in named for file in _files(name)}
    return {str(file): _stamp(file) for file in sorted(found)}


def _dependencies(declared: Any) -> Iterator[str]:
    """Paths that stand under ``deps``, without those that DVC has yet to fill in."""
    stages = declared.get("stages") if isinstance(declared, dict) else None
    whole = [{**stage, **stage.get("do", {})} for stage in (stages or {}).values()]
    written = [f"{ARTIFACTS}/", *(name for stage in whole for section in WRITTEN for name in _names(stage, section))]
    known = [name.partition("${")[0] for name in written]
    for name in {name for stage in whole for name in _names(stage, "deps")}:
        if "${" not in name and not any(name.startswith(out) or out.startswith(f"{name}/") for out in known):
            yield name


def _names(stage: dict[str, Any], section: str) -> Iterator[str]:
    for entry in stage.get(section) or []:
        yield str(next(iter(entry)) if isinstance(entry, dict) else entry)


def _files(name: str) -> Iterator[Path]:
    """A file, all files of a folder, or those of a glob."""
    for place in [Path(name)] if Path(name).exists() else map(Path, glob.glob(name)):  # noqa: PTH207 - absolute ones too
        yield from (file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]


def _stamp(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size:,} bytes of {datetime.fromtimestamp(status.st_mtime_ns / 1e9).isoformat(' ')}"
