"""An artifact changed after it was written, and sealed again, as a forger would."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sedlib.base.hdf5.seal import seal


@contextmanager
def altered(path: Path) -> Iterator[h5py.File]:
    """The artifact at ``path``, to be changed; then its seal fits it."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path)


def put(file: h5py.File, name: str, value: object) -> None:
    """Another value in place of a dataset's, with the axes that it had; None: it is gone."""
    axes = file[name].attrs.get("axes") if name in file else None
    if name in file:
        del file[name]
    if value is not None:
        file[name] = value
        if axes is not None:
            file[name].attrs["axes"] = axes
