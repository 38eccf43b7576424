"""HDF5 artifacts: a declared schema, checked on writing and on reading; sealed, atomic, no pickle.

A schema lists every dataset that a file may hold, with its axes and dtype; a file holds nothing else. An axis is a
length or has a name: one in ``shared_axes`` has one length in the whole file, any other one within a group.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError, in_one_line, quoted
from sedlib.base.hdf5.closed import ForeignContentError, listing
from sedlib.base.hdf5.dataset import Dataset
from sedlib.base.hdf5.rehearsal import crash
from sedlib.base.hdf5.seal import seal, seal_problem
from sedlib.base.hdf5.written_file import written

CONTEXT = 40
"""Letters of a text shown before the place in which it differs."""
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what h5py raises on broken files


class ArtifactError(UserError):
    """An artifact is missing, unreadable, of another kind, or broken; the message says what to do."""


@dataclass(frozen=True)
class Schema:
    """The contract of one kind of file."""

    name: str
    version: int
    datasets: Mapping[str, Dataset]
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    """Texts that the file carries: a certain one, or any."""
    shared_axes: frozenset[str] = field(default=frozenset())
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Of named axes, as far as they are known."""

    def remedy(self, path: Path) -> str:
        """What brings back the file at ``path``."""
        return f"Write {path} anew."

    @property
    def tag(self) -> str:
        """Value of the file's ``schema`` attribute."""
        return f"{self.name}/{self.version}"

    @contextmanager
    def create(self, path: Path, attributes: Mapping[str, str] | None = None) -> Iterator[h5py.File]:
        """A file to write; on leaving without an error it is sealed, read back, checked and moved to ``path``.

        Parameters
        ----------
        attributes
            The texts that the schema leaves open.

        Raises
        ------
        ArtifactError
            What was written does not follow the schema.
        WriteError
            The disk is full, or another process writes the same file.
        """
        texts = {"schema": self.tag, **self.attributes, **(attributes or {})}
        with replacing(path) as temporary:
            with written(temporary) as file:
                for name, text in sorted(texts.items()):
                    file.attrs[name] = text
                yield file
                for name, expected in self.datasets.items():
                    if name in file:
                        file[name].attrs["axes"] = json.dumps(expected.axes)
            seal(temporary)
            with self._readable(temporary, path) as file:
                self.check(file, path)

    @contextmanager
    def open(self, path: Path) -> Iterator[h5py.File]:
        """The file at ``path``, after its seal, structure, schema, attributes, shapes, dtypes and values were checked.

        Raises
        ------
        ArtifactError
            The file is missing, damaged, no HDF5, of another schema, holds what the schema does not list, or values
            that are not finite or out of their range.
        """
        with self.opened(path) as file:
            self.check(file, path)
            yield file

    @contextmanager
    def opened(self, path: Path) -> Iterator[h5py.File]:
        """The file at ``path``, checked only for damage, for foreign content and for its tag.

        Raises
        ------
        ArtifactError
            The file is missing, damaged, not plain or of another schema.
        """
        if not path.is_file():
            raise self.error(path, "no such file" if not path.exists() else "no regular file")
        if problem := seal_problem(path):
            raise self.error(path, problem)
        if what := crash(path):
            raise self.error(path, f"a file at which HDF5 {what}")
        with self._readable(path, path) as file:
            yield file

    def check(self, file: h5py.File, path: Path) -> None:
        """Compare an ``opened`` file with the schema, its values last.

        Raises
        ------
        ArtifactError
            The file breaks the schema.
        """
        try:
            problem = next(self._problems(file), None)
        except UNREADABLE as error:
            raise self.error(path, f"a damaged HDF5 file ({error})") from error
        if problem:
            raise self.error(path, problem)

    def error(self, path: Path | str, problem: str) -> ArtifactError:
        """What was expected of the file at ``path``, what was found, and how to bring it back."""
        return ArtifactError(
            f"{path}: expected a {self.tag} artifact, found {in_one_line(problem)}. {self.remedy(Path(path))}"
        )

    @contextmanager
    def _readable(self, path: Path, called: Path) -> Iterator[h5py.File]:
        """The plain file at ``path`` with the schema's tag; messages call it ``called``."""
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise self.error(called, f"not a readable HDF5 file ({error})") from error
        with file:
            try:
                listing(file)
                found = file.attrs.get("schema")
            except ForeignContentError as error:
                raise self.error(called, f"an object that no file of sedlib holds: {error}") from error
            except UNREADABLE as error:
                raise self.error(called, f"a damaged HDF5 file ({error})") from error
            if found != self.tag:
                raise self.error(called, f"schema {quoted(found)}")
            yield file

    def _problems(self, file: h5py.File) -> Iterator[str]:
        """What of the file breaks the schema: names first, then forms, then values."""
        found = listing(file)
        yield from self._of_attributes(file)
        for name in self.datasets:
            if name not in found and not self.datasets[name].optional:
                yield f"no dataset {name!r} (there are: {', '.join(found) or 'none'})"
        if foreign := found.keys() - self.datasets.keys():
            yield f"an unknown dataset {min(foreign)!r} (known: {', '.join(self.datasets)})"
        found = {name: found[name] for name in self.datasets if name in found}
        lengths = {("", axis): (length, "its run") for axis, length in self.lengths.items()}
        for name, dataset in found.items():
            yield from self._of_axes(name, dataset, lengths)
        for name, dataset in found.items():
            known = {axis: length for (_, axis), (length, _) in lengths.items()}
            if problem := self.datasets[name].value_problem(dataset, known):
                yield problem

    def _of_attributes(self, file: h5py.File) -> Iterator[str]:
        for name, expected in self.attributes.items():
            if name not in file.attrs:
                yield f"no attribute {name!r} (there are: {', '.join(file.attrs)})"
            elif expected is not None and (found := file.attrs[name]) != expected:
                yield f"{name} {_difference(found, expected)}"
        if foreign := set(file.attrs) - {"schema", *self.attributes}:
            yield f"an attribute {min(foreign)!r}, which it does not carry"

    def _of_axes(
        self, name: str, dataset: h5py.Dataset, lengths: dict[tuple[str, str], tuple[int, str]]
    ) -> Iterator[str]:
        expected = self.datasets[name]
        if problem := expected.form_problem(dataset):
            yield problem
            return
        if dict(dataset.attrs) != {"axes": json.dumps(expected.axes)}:
            yield f"dataset {name!r} with attributes {quoted(dict(dataset.attrs))}, not axes {list(expected.axes)}"
        for axis, length in zip(expected.axes, dataset.shape, strict=True):
            if isinstance(axis, str):
                shared = axis in self.shared_axes or axis in self.lengths
                scope = "" if shared else name.rpartition("/")[0]
                known, other = lengths.setdefault((scope, axis), (length, repr(name)))
                if known != length:
                    yield f"axis {axis!r} of length {length} in {name!r} but {known} in {other}"


def _difference(found: str, expected: str) -> str:
    """Two texts from where they part."""
    pairs = enumerate(zip(found, expected, strict=False))
    parting = next((place for place, (one, other) in pairs if one != other), min(len(found), len(expected)))
    start = max(0, parting - CONTEXT)
    there, wanted = (f"{'…' * (start > 0)}{text[start : start + 4 * CONTEXT]}" for text in (found, expected))
    return f"{there!r}, not {wanted!r}"
