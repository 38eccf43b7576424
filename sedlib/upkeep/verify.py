"""`sedlib verify`: which objects of workspace, cache and remote are damaged; what can be is brought back."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo

from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.upkeep.kept import DIRECTORY, Kept, kept, outputs
from sedlib.upkeep.mending import Damage, mend
from sedlib.upkeep.places import Place
from sedlib.upkeep.workspace_files import damaged_files

NOT_ITS_NAME = "its content is not what its name says"


def verify(paths: Sequence[Path], remote: str | None, mending: bool) -> int:
    """Check all that the locks name, or what lies at ``paths``; exit code: 1 where damage is left.

    Parameters
    ----------
    remote
        Name of a DVC remote, all of which is read and checked too; an empty one is the default remote.
    mending
        Bring back what another place has whole; take the rest away, so that nothing believes it, and say which
        stages compute it anew.

    Raises
    ------
    UserError
        There is no DVC repository here, no such remote, or DVC keeps nothing at a path.
    """
    try:
        with Repo(".") as repo, lock_repo(repo):
            return _verify(repo, paths, remote, mending)
    except DvcException as error:
        raise UserError(f"DVC refuses: {error}") from error


def _verify(repo: Repo, paths: Sequence[Path], remote: str | None, mending: bool) -> int:
    found = outputs(repo, paths)
    if not found:
        raise UserError(f"DVC's locks know nothing at {', '.join(map(str, paths)) or 'all'}")
    cache, remotes = Place("cache", repo.cache.local), _remotes(repo, remote, mending)
    looked_at = [cache] if remote is None else [cache, *remotes]
    seen: list[Damage] = []
    while True:
        objects = kept(repo, found)
        damages = list(_damages(repo, objects, looked_at))
        for damage in damages:
            say(str(damage))
        seen += damages
        if not damages or not mending:
            break
        mend(Path(repo.root_dir), damages, cache, remotes, [out for _, out in found])
        if not any(damage.object.oid.endswith(DIRECTORY) for damage in damages):  # whose files are known only now
            break
    lost = {damage.object.oid: damage.object for damage in seen if not cache.has_whole(damage.object.oid)}
    _sum_up(len(objects), seen, list(lost.values()), mending)
    return 1 if lost or (seen and not mending) else 0


def _remotes(repo: Repo, name: str | None, mending: bool) -> list[Place]:
    """The remote that is asked for; else, to mend from it, the default one where there is one."""
    if name is None and not mending:
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


def _sum_up(checked: int, seen: Sequence[Damage], lost: Sequence[Kept], mending: bool) -> None:
    if not seen:
        say(f"{checked:,} objects that the locks name: what is there of them is whole")
    elif not mending:
        say(f"{len(seen)} damaged: `sedlib verify --mend` brings back what is whole elsewhere, and takes away the rest")
    else:
        say(f"{len(seen)} damaged, of which {len(lost)} are whole nowhere and were taken away")
    if mending and lost:
        stages = dict.fromkeys(stage for found in lost for stage in found.owners.values())
        say(f"Compute them anew: dvc repro --single-item {' '.join(stages)}")
