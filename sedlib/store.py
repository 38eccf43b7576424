"""HDF5 artifacts: a declared schema, checked on writing and on reading; atomic writes; no pickle.

A schema lists datasets by glob with their axes and dtype. An axis named in ``shared_axes`` has one length in the
whole file; any other has one length within a group. ``...`` stands for any further axes.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import h5py
import numpy as np

from sedlib.errors import UserError

CHUNK_ELEMENTS = 2**14
SCAN_ELEMENTS = 2**23


class ArtifactError(UserError):
    """An artifact is missing, unreadable, of another kind, or broken; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """Axes and dtype that a dataset must have."""

    axes: tuple[str, ...]
    dtype: str
    description: str


@dataclass(frozen=True)
class Schema:
    """The contract of one kind of artifact."""

    name: str
    version: int
    stage: str
    """The DVC stage that writes it."""
    datasets: Mapping[str, Dataset]
    shared_axes: frozenset[str] = field(default=frozenset({"steps", "params"}))

    @property
    def tag(self) -> str:
        """Value of the file's ``schema`` attribute."""
        return f"{self.name}/{self.version}"

    @contextmanager
    def create(self, path: Path, attributes: Mapping[str, str]) -> Iterator[h5py.File]:
        """A file to write; on leaving without an error it is checked, synced and moved to ``path``.

        Nothing is left behind if the body raises, and ``path`` keeps what it held.

        Raises
        ------
        ArtifactError
            What was written does not follow the schema.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with h5py.File(temporary, "w") as file:
                file.attrs["schema"] = self.tag
                for name in sorted(attributes):
                    file.attrs[name] = attributes[name]
                yield file
                self._label(file)
                self._check(file, path)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def open(self, path: Path) -> Iterator[h5py.File]:
        """The file at ``path``, after its schema, shapes, dtypes and finiteness were checked.

        Raises
        ------
        ArtifactError
            The file is missing, truncated, no HDF5, of another schema, or holds values that are not finite.
        """
        if not path.exists():
            raise ArtifactError(self._report(path, "no such file"))
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise ArtifactError(self._report(path, f"not a readable HDF5 file ({error})")) from error
        with file:
            found = file.attrs.get("schema")
            if found != self.tag:
                raise ArtifactError(self._report(path, f"schema {found!r}"))
            self._check(file, path)
            yield file

    def _matches(self, file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset, Dataset]]:
        names: list[str] = []
        file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
        for pattern, expected in self.datasets.items():
            matching = [name for name in names if fnmatchcase(name, pattern)]
            if not matching:
                raise ArtifactError(
                    self._report(path, f"no dataset {pattern!r} (there are: {', '.join(names) or 'none'})")
                )
            for name in matching:
                yield name, file[name], expected

    def _label(self, file: h5py.File) -> None:
        for _, dataset, expected in self._matches(file, Path(file.filename)):
            dataset.attrs["axes"] = json.dumps(expected.axes)

    def _check(self, file: h5py.File, path: Path) -> None:
        lengths: dict[tuple[str, str], tuple[int, str]] = {}
        for name, dataset, expected in self._matches(file, path):
            if dataset.dtype != np.dtype(expected.dtype):
                problem = f"dataset {name!r} of dtype {dataset.dtype}, not {expected.dtype}"
                raise ArtifactError(self._report(path, problem))
            axes = expected.axes
            if axes and axes[-1] == "...":
                axes = (*axes[:-1], *(f"…{i}" for i in range(dataset.ndim - len(axes) + 1)))
            if dataset.ndim != len(axes):
                problem = f"dataset {name!r} of shape {dataset.shape}, not [{', '.join(expected.axes)}]"
                raise ArtifactError(self._report(path, problem))
            for axis, length in zip(axes, dataset.shape, strict=True):
                if axis.startswith("…"):
                    continue
                scope = "" if axis in self.shared_axes else name.rpartition("/")[0]
                known, other = lengths.setdefault((scope, axis), (length, name))
                if known != length:
                    problem = f"axis {axis!r} of length {length} in {name!r} but {known} in {other!r}"
                    raise ArtifactError(self._report(path, problem))
            if dataset.dtype.kind == "f":
                self._check_finite(name, dataset, path)

    def _check_finite(self, name: str, dataset: h5py.Dataset, path: Path) -> None:
        per_row = max(1, dataset.size // max(1, len(dataset)))
        rows_at_once = max(1, SCAN_ELEMENTS // per_row)
        for start in range(0, len(dataset), rows_at_once):
            try:
                block = dataset[start : start + rows_at_once]
            except OSError as error:
                raise ArtifactError(self._report(path, f"dataset {name!r} cannot be read ({error})")) from error
            finite = np.isfinite(block)
            if not finite.all():
                where = [int(i) for i in np.argwhere(~finite)[0]]
                where[0] += start
                problem = f"{block[~finite][0]} in dataset {name!r} at {where}"
                raise ArtifactError(self._report(path, problem))

    def _report(self, path: Path, problem: str) -> str:
        stage = f"{self.stage}@{path.stem}"
        return (
            f"{path}: expected a {self.tag} artifact, found {problem}. "
            f"Restore it with `dvc checkout --force {path}`, or write it anew with "
            f"`dvc repro --force --single-item {stage}`."
        )


def growing(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str = "float32") -> h5py.Dataset:
    """An empty dataset ``[0, *shape]`` to append to, chunked for reading by rows and by blocks of columns."""
    last = (min(shape[-1], CHUNK_ELEMENTS),) if shape else ()
    return file.create_dataset(
        name,
        shape=(0, *shape),
        maxshape=(None, *shape),
        dtype=dtype,
        chunks=(1, *shape[:-1], *last) if shape else True,
    )


def append(dataset: h5py.Dataset, row: np.ndarray | int) -> None:
    """Add one row at the end of a growing dataset."""
    dataset.resize(len(dataset) + 1, axis=0)
    dataset[-1] = row


def provenance(file: h5py.File) -> dict[str, str]:
    """Attributes that an artifact passes on to those computed from it: the run's parameters and the layout."""
    return {name: file.attrs[name] for name in ("run", "layout")}


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
