"""HDF5 artifacts: a declared schema, checked on writing and on reading; atomic writes; no pickle.

A schema lists datasets by glob with their axes and dtype. An axis named in ``shared_axes`` has one length in the
whole file; any other has one length within a group. ``...`` stands for any further axes.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import h5py
import numpy as np

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError

CHUNK_ELEMENTS = 2**14
SCAN_ELEMENTS = 2**23
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what h5py raises on broken files


class ArtifactError(UserError):
    """An artifact is missing, unreadable, of another kind, or broken; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """Axes and dtype that a dataset must have."""

    axes: tuple[str, ...]
    dtype: str
    description: str
    optional: bool = False
    """Whether a file may do without."""


@dataclass(frozen=True)
class Schema:
    """The contract of one kind of file."""

    name: str
    version: int
    datasets: Mapping[str, Dataset]
    attributes: tuple[str, ...] = ()
    """Texts that the file carries."""
    shared_axes: frozenset[str] = field(default=frozenset())

    def remedy(self, path: Path) -> str:
        """What brings back the file at ``path``."""
        return f"Write {path} anew."

    def known_lengths(self, file: h5py.File) -> dict[str, tuple[int, str]]:
        """Lengths of shared axes that an attribute of the file says, each with the place where it is said."""
        return {}

    @property
    def tag(self) -> str:
        """Value of the file's ``schema`` attribute."""
        return f"{self.name}/{self.version}"

    @contextmanager
    def create(self, path: Path, attributes: Mapping[str, str]) -> Iterator[h5py.File]:
        """A file to write; on leaving without an error it is checked and moved to ``path``.

        Raises
        ------
        ArtifactError
            What was written does not follow the schema.
        """
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs["schema"] = self.tag
            for name in sorted(attributes):
                file.attrs[name] = attributes[name]
            yield file
            for _, dataset, expected in self._matches(file, path):
                dataset.attrs["axes"] = json.dumps(expected.axes)
            self._check(file, path)

    @contextmanager
    def open(self, path: Path) -> Iterator[h5py.File]:
        """The file at ``path``, after its schema, attributes, shapes, dtypes and finiteness were checked.

        Raises
        ------
        ArtifactError
            The file is missing, truncated, no HDF5, of another schema, or holds values that are not finite.
        """
        if not path.exists():
            raise self.error(path, "no such file")
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise self.error(path, f"not a readable HDF5 file ({error})") from error
        with file:
            try:
                self._check(file, path)
            except UNREADABLE as error:
                raise self.error(path, f"a damaged HDF5 file ({error})") from error
            yield file

    def error(self, path: Path | str, problem: str) -> ArtifactError:
        """What was expected of the file at ``path``, what was found, and how to bring it back."""
        return ArtifactError(f"{path}: expected a {self.tag} artifact, found {problem}. {self.remedy(Path(path))}")

    def _matches(self, file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset, Dataset]]:
        names: list[str] = []
        file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
        for pattern, expected in self.datasets.items():
            matching = [name for name in names if fnmatchcase(name, pattern)]
            if not matching and not expected.optional:
                raise self.error(path, f"no dataset {pattern!r} (there are: {', '.join(names) or 'none'})")
            for name in matching:
                yield name, file[name], expected

    def _check(self, file: h5py.File, path: Path) -> None:
        if (found := file.attrs.get("schema")) != self.tag:
            raise self.error(path, f"schema {found!r}")
        for name in self.attributes:
            if not isinstance(file.attrs.get(name), str):
                raise self.error(path, f"no attribute {name!r} (there are: {', '.join(file.attrs)})")
        lengths = {("", axis): known for axis, known in self.known_lengths(file).items()}
        for name, dataset, expected in self._matches(file, path):
            self._check_axes(name, dataset, expected, lengths, path)
            if dataset.dtype.kind == "f":
                self._check_finite(name, dataset, path)

    def _check_axes(
        self,
        name: str,
        dataset: h5py.Dataset,
        expected: Dataset,
        lengths: dict[tuple[str, str], tuple[int, str]],
        path: Path,
    ) -> None:
        if dataset.dtype != np.dtype(expected.dtype):
            raise self.error(path, f"dataset {name!r} of dtype {dataset.dtype}, not {expected.dtype}")
        axes = [axis for axis in expected.axes if axis != "..."]
        open_ended = len(axes) < len(expected.axes)
        if dataset.ndim < len(axes) or (dataset.ndim > len(axes) and not open_ended):
            raise self.error(path, f"dataset {name!r} of shape {dataset.shape}, not [{', '.join(expected.axes)}]")
        for axis, length in zip(axes, dataset.shape, strict=False):
            scope = "" if axis in self.shared_axes else name.rpartition("/")[0]
            known, other = lengths.setdefault((scope, axis), (length, f"{name!r}"))
            if known != length:
                raise self.error(path, f"axis {axis!r} of length {length} in {name!r} but {known} in {other}")

    def _check_finite(self, name: str, dataset: h5py.Dataset, path: Path) -> None:
        rows_at_once = max(1, SCAN_ELEMENTS // max(1, math.prod(dataset.shape[1:])))
        for start in range(0, len(dataset), rows_at_once):
            block = dataset[start : start + rows_at_once]
            finite = np.isfinite(block)
            if not finite.all():
                where = [int(i) for i in np.argwhere(~finite)[0]]
                where[0] += start
                raise self.error(path, f"{block[~finite][0]} in dataset {name!r} at {where}")


def growing(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str = "float32") -> h5py.Dataset:
    """An empty dataset ``[0, *shape]`` to append to, chunked for reading by rows and by blocks of columns."""
    chunk = (1, *shape[:-1], min(shape[-1], CHUNK_ELEMENTS)) if shape else True
    return file.create_dataset(name, shape=(0, *shape), maxshape=(None, *shape), dtype=dtype, chunks=chunk)


def append(dataset: h5py.Dataset, row: np.ndarray | int) -> None:
    """Add one row at the end of a growing dataset."""
    dataset.resize(len(dataset) + 1, axis=0)
    dataset[-1] = row
