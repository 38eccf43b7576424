"""Where objects lie, the cache or a remote, and which of them are damaged there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sedlib.base.progress import track
from sedlib.upkeep.kept import Kept, is_whole


@dataclass(frozen=True)
class Place:
    """A cache or a remote, which DVC has as one kind of thing."""

    name: str
    store: Any
    """DVC's own object for it."""

    def path(self, oid: str) -> str:
        """Path of an object in this place."""
        return str(self.store.oid_to_path(oid))

    def has_whole(self, oid: str) -> bool:
        """Whether an object is there, with the content that its name says."""
        there = self.store.fs.exists(self.path(oid))
        return bool(there) and is_whole(self.store.fs, self.path(oid), oid)

    def damaged(self, objects: Mapping[str, Kept]) -> Iterator[Kept]:
        """Objects that are there with another content than their name says."""
        there = [found for oid, found in objects.items() if self.store.fs.exists(self.path(oid))]
        for found in track(there, len(there), f"checking the {self.name}"):
            if not is_whole(self.store.fs, self.path(found.oid), found.oid):
                yield found

    def remove(self, oid: str) -> None:
        """Take an object away, so that nothing believes it."""
        self.store.fs.remove(self.path(oid))

    def take(self, fs: Any, path: str, oid: str) -> bool:
        """Copy an object from a file, if that is whole; whether it is whole here then."""
        if not fs.exists(path) or not is_whole(fs, path, oid):
            return False
        self.store.add(path, fs, oid)
        return self.has_whole(oid)
