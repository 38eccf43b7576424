"""The lock entry of a stage whose result is known without running it: it is up to date, or in the run-cache.

DVC answers this with ``dvc repro`` alone, in the workspace and one stage after another. Here the outputs of stages
upstream count as they will be, whatever lies in the workspace.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.dependency.base import Dependency, DependencyDoesNotExistError
from dvc.fs import localfs
from dvc.stage import Stage
from dvc.stage.cache import _get_cache_hash  # the run-cache's reader is not public
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from sedlib.base.errors import UserError


def restorable(stage: Stage) -> bool:
    """Whether DVC keeps results of ``stage`` in the run-cache, from where another clone's are restored."""
    if not (stage.cmd and stage.deps and stage.outs) or stage.frozen or stage.always_changed:
        return False
    local = all(item.protocol == "local" and item.def_path for item in [*stage.deps, *stage.outs])
    return local and all(out.is_in_repo and not out.persist and out.use_cache for out in stage.outs)


def settle(stage: Stage, produced: dict[str, Any]) -> dict[str, Any] | None:
    """Lock entry of ``stage`` if its outputs are in the cache, else None.

    Parameters
    ----------
    produced
        By path: outputs of stages upstream, all settled; ``stage`` becomes one of them, as its outputs hold their
        hashes afterwards.

    Raises
    ------
    UserError
        A dependency that no stage writes is missing.
    """
    before = [dep.hash_info for dep in stage.deps]
    for dep in stage.deps:
        if found := produced_hash(produced, dep):
            dep.hash_info, dep.meta = found
        else:
            hashed(stage, dep)
    unchanged = not stage.changed_stage() and before == [dep.hash_info for dep in stage.deps]
    if unchanged and all(out.hash_info for out in stage.outs) and stage.outs_cached():
        return dict(to_single_stage_lockfile(stage))
    return _recalled(stage)


def produced_hash(produced: Mapping[str, Any], dep: Dependency) -> tuple[HashInfo, Meta] | None:
    """Hash and size of a dependency that is an output of a settled stage, or a file inside of one that is a folder."""
    if (out := produced.get(dep.fs_path)) is not None:
        return out.hash_info, out.meta
    for folder in set(localfs.parents(dep.fs_path)) & set(produced):
        out = produced[folder]
        if out.hash_info.isdir and (tree := out.get_obj()) is not None:
            _, found = tree.get(localfs.relparts(dep.fs_path, folder)) or (None, None)
            if found is not None:
                return found, Meta(size=_size(out.cache.oid_to_path(found.value)))
    return None


def _size(path: str) -> int | None:
    """Size of a file in the cache, which the folder's own entry does not say and dvc.lock does."""
    return localfs.size(path) if localfs.exists(path) else None


def holds_produced(produced: Mapping[str, Any], dep: Dependency) -> bool:
    """Whether a dependency is a folder with outputs of settled stages, or lies in one of these."""
    folder = f"{dep.fs_path}{localfs.sep}"
    return not produced.keys().isdisjoint(localfs.parents(dep.fs_path)) or any(
        path.startswith(folder) for path in produced
    )


def hashed(stage: Stage, dep: Dependency) -> Any:
    """The hash of a dependency that no stage writes, or its parameters.

    Raises
    ------
    UserError
        It is missing.
    """
    try:
        dep.save()
    except DependencyDoesNotExistError as error:
        raise UserError(f"stage {stage.addressing} depends on {dep}, which does not exist") from error
    return dep.hash_info.value


def _recalled(stage: Stage) -> dict[str, Any] | None:
    """The newest entry of the run-cache, as `dvc repro` would take it."""
    cache = stage.repo.stage_cache
    key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
    found = sorted(Path(cache.cache_dir, key[:2], key).glob("*"), key=lambda path: path.stat().st_mtime)
    entry = cache._load_cache(key, found[-1].name) if found else None
    if not entry:
        return None
    StageLoader.fill_from_lock(stage, entry)
    return dict(entry) if stage.outs_cached() else None
