"""Replaces damaged objects by whole copies from another place, and removes objects that are whole nowhere."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import CheckoutError
from dvc.fs import localfs
from dvc.output import Output

from sedlib.upkeep.kept import Kept, meet
from sedlib.upkeep.places import Place


@dataclass(frozen=True)
class Damage:
    """An object that is damaged in one place."""

    object: Kept
    path: Path | str
    problem: str
    place: Place | None = None
    """The damaged place; None is the workspace."""

    def __str__(self) -> str:
        where = self.place.name if self.place else "workspace"
        return f"damaged in the {where}: {self.object}\n  {self.path}: {self.problem}"


def fix(root: Path, damages: Iterable[Damage], cache: Place, remotes: Sequence[Place], outs: Iterable[Output]) -> None:
    """Replace each damaged object by a whole copy from a remote, the cache or the workspace; without one, remove it.

    Then link the files of ``outs`` that the workspace lacks from the cache.
    """
    places, removed = [cache, *remotes], []
    for damage in damages:
        oid, owners = damage.object.oid, [root / path for path in damage.object.owners]
        if damage.place is None:
            removed.append(Path(damage.path))
            Path(damage.path).unlink(missing_ok=True)  # it may have been a link to a damaged object of the cache
            continue
        if damage.place is cache:
            for path in owners:
                if path.is_file() and path.samefile(cache.path(oid)):
                    path.unlink()
                    removed.append(path)
        damage.place.remove(oid)
        elsewhere = [(place.store.fs, place.path(oid)) for place in places if place is not damage.place]
        any(damage.place.take(fs, path, oid) for fs, path in [*elsewhere, *((localfs, str(path)) for path in owners)])
    for path in removed:
        for out in outs:
            if meet(Path(out.fs_path), path):
                with suppress(
                    CheckoutError, FileNotFoundError
                ):  # the cache has it not: it was not pulled, or was removed just now
                    out.checkout(force=True, filter_info=str(path))
