"""`sedlib verify`: finds damaged objects in workspace, cache and remote, and fixes them on request."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo

from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.upkeep.fixing import Damage, fix
from sedlib.upkeep.kept import DIRECTORY, Kept, kept, outputs
from sedlib.upkeep.places import Place
from sedlib.upkeep.whole_locks import require_whole_locks
from sedlib.upkeep.workspace_files import damaged_files

NOT_ITS_NAME = "its content is not what its name says"


def verify(paths: Sequence[Path], remote: str | None, fixing: bool) -> int:
    """Check all that the locks name, or what lies at ``paths``; exit code: 1 if damage remains.

    Parameters
    ----------
    remote
        Name of a DVC remote, which is then read and checked whole; an empty name is the default remote.
    fixing
        Replace a damaged object by a whole copy from another place. Remove an object that is whole nowhere, so that
        no stage reads it, and say which stages compute it again.

    Raises
    ------
    UserError
        There is no DVC repository here, no such remote, a lock is broken, or DVC keeps nothing at a path.
    """
    try:
        with Repo(".") as repo, lock_repo(repo):
            require_whole_locks(Path(repo.root_dir))
            return _verify(repo, paths, remote, fixing)
    except DvcException as error:
        raise UserError(f"DVC refuses: {error}") from error


def _verify(repo: Repo, paths: Sequence[Path], remote: str | None, fixing: bool) -> int:
    found = outputs(repo, paths)
    if not found:
        raise UserError(f"DVC's locks name nothing at {', '.join(map(str, paths)) or 'all'}")
    cache, remotes = Place("cache", repo.cache.local), _remotes(repo, remote, fixing)
    looked_at = [cache] if remote is None else [cache, *remotes]
    seen: list[Damage] = []
    while True:
        objects = kept(repo, found)
        damages = list(_damages(repo, objects, looked_at))
        for damage in damages:
            say(str(damage))
        seen += damages
        if not damages or not fixing:
            break
        fix(Path(repo.root_dir), damages, cache, remotes, [out for _, out in found])
        if not any(damage.object.oid.endswith(DIRECTORY) for damage in damages):  # whose files are known only now
            break
    lost = {damage.object.oid: damage.object for damage in seen if not cache.has_whole(damage.object.oid)}
    _sum_up(len(objects), seen, list(lost.values()), fixing)
    return 1 if lost or (seen and not fixing) else 0


def _remotes(repo: Repo, name: str | None, fixing: bool) -> list[Place]:
    """The remote that is asked for; else, as a source of whole copies, the default remote if there is one."""
    if name is None and not fixing:
        return []
    try:
        return [Place("remote", repo.cloud.get_remote_odb(name or None, "verify"))]
    except NoRemoteError:
        if name is None:
            return []
        raise


def _damages(repo: Repo, objects: Mapping[str, Kept], places: Sequence[Place]) -> Iterator[Damage]:
    for place in places:
        for found in place.damaged(objects):
            yield Damage(found, place.path(found.oid), NOT_ITS_NAME, place)
    for path, found, problem in damaged_files(Path(repo.root_dir), objects.values()):
        yield Damage(found, path, problem)


def _sum_up(checked: int, seen: Sequence[Damage], lost: Sequence[Kept], fixing: bool) -> None:
    if not seen:
        say(f"{checked:,} objects that the locks name: none that is present is damaged")
    elif not fixing:
        say(f"{len(seen)} damaged: `sedlib verify --fix` restores what is whole elsewhere, and removes the rest")
    else:
        say(f"{len(seen)} damaged; {len(lost)} of them are whole nowhere and were removed")
    if fixing and lost:
        stages = dict.fromkeys(stage for found in lost for stage in found.owners.values())
        say(f"Compute them again: dvc repro --single-item {' '.join(stages)}")
