"""Rows of a run on disk: a folder with one file for each step, written whole or not at all.

``about.json`` says of which slots the rows are. ``step-000000100.safetensors`` holds the rows of step 100 by stream,
each ``[params]``, in 16 or 32 bits, and the hash of their bytes. A folder that was left in the middle of a run goes on.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError, in_one_line, listed
from sedlib.vectors import ParamLayout

FORMAT = "sedlib rows/1"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
FILE = re.compile(r"step-(\d{9,18})\.safetensors")


class RowFolderError(UserError):
    """A folder of rows that is broken, or of another run; the message names the file."""


@dataclass(frozen=True)
class RowFolder:
    """Rows of one run, by step and stream.

    Raises
    ------
    RowFolderError
        The folder holds rows of other slots, or in another dtype.

    Examples
    --------
    >>> import tempfile
    >>> layout = ParamLayout(("weight",), ((2, 2),))
    >>> folder = RowFolder(Path(tempfile.mkdtemp()), layout)
    >>> folder.append(100, {"gradient/next": torch.tensor([1.0, 2.0, 3.0, 4.0])})
    >>> folder.append(200, {"gradient/next": torch.tensor([5.0, 6.0, 7.0, 8.0])})
    >>> rows = folder.stream("gradient/next")
    >>> rows.steps, rows[0:2, 1:3].tolist()
    ([100, 200], [[2.0, 3.0], [6.0, 7.0]])
    """

    path: Path
    layout: ParamLayout
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UserError(f"dtype: expected one of {', '.join(DTYPES)}, got {self.dtype!r}")
        about = {"format": FORMAT, "dtype": self.dtype, "slots": json.loads(self.layout.to_json())}
        file = self.path / "about.json"
        if file.exists():
            _require_same(file, about)
        else:
            with replacing(file) as temporary:
                temporary.write_text(json.dumps(about, indent=1), encoding="utf-8")

    @property
    def steps(self) -> list[int]:
        """Steps of which there are rows, ascending."""
        names = (FILE.fullmatch(file.name) for file in self.path.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def append(self, step: int, rows: Mapping[str, Float[Tensor, " params"]]) -> None:
        """Write the rows of a step; a step that is there already is replaced.

        Raises
        ------
        UserError
            A row is not of the layout's size, or not finite, also in the folder's dtype.
        """
        tensors = {name: self._stored(step, name, row) for name, row in rows.items()}
        with replacing(self._file(step)) as temporary:
            save_file(tensors, temporary, {"sha256": _digest(tensors)})

    def stream(self, name: str) -> "StreamOnDisk":
        """The rows of a stream at the steps that have one.

        Raises
        ------
        RowFolderError
            No step has one, or a file is broken.
        """
        files = {step: _OpenedRows(self._file(step), self.layout.size, DTYPES[self.dtype]) for step in self.steps}
        if held := {step: file for step, file in files.items() if name in file.names}:
            return StreamOnDisk(name, list(held), list(held.values()))
        known = sorted({name for file in files.values() for name in file.names})
        raise RowFolderError(f"{self.path}: no row of {name!r} at {len(files):,} steps; there are {listed(known)}")

    def names(self, step: int) -> list[str]:
        """Streams that have a row at a step."""
        return _OpenedRows(self._file(step), self.layout.size, DTYPES[self.dtype]).names

    def _file(self, step: int) -> Path:
        return self.path / f"step-{step:09}.safetensors"

    def _stored(self, step: int, name: str, row: Tensor) -> Tensor:
        if row.shape != (self.layout.size,):
            raise UserError(
                f"step {step:,}, {name!r}: expected a row of {self.layout.size:,}, got shape {tuple(row.shape)}"
            )
        stored = row.detach().to("cpu", DTYPES[self.dtype]).contiguous()
        if not stored.isfinite().all():
            fits = " in float32" if bool(row.isfinite().all()) else ""
            raise UserError(f"step {step:,}, {name!r}: not finite in {self.dtype}{fits and ', though finite' + fits}")
        return stored


@dataclass(frozen=True)
class StreamOnDisk:
    """Rows of one stream, read in blocks as ``sedlib.bases.Rows``; in float32."""

    name: str
    steps: list[int]
    files: "list[_OpenedRows]"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and parameters."""
        return len(self.files), self.files[0].size

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns of two slices."""
        rows, columns = key
        return np.stack([file.part(self.name, columns) for file in self.files[rows]])


@dataclass(frozen=True)
class _OpenedRows:
    """One step's file, whose hash and sizes were checked."""

    path: Path
    size: int
    dtype: torch.dtype

    def part(self, name: str, columns: slice) -> Float[np.ndarray, " columns"]:
        start, stop, _ = columns.indices(self.size)
        return self._handle.get_slice(name)[start:stop].float().numpy()

    @cached_property
    def names(self) -> list[str]:
        return sorted(self._handle.keys())

    @cached_property
    def _handle(self) -> Any:
        try:
            handle = safe_open(self.path, framework="pt").__enter__()  # closed with the object that holds it
        except (SafetensorError, OSError) as error:
            raise self._error(f"no whole safetensors file: {in_one_line(str(error))}") from error
        tensors = {name: handle.get_tensor(name) for name in sorted(handle.keys())}
        if wrong := [name for name, row in tensors.items() if row.shape != (self.size,) or row.dtype != self.dtype]:
            row = tensors[wrong[0]]
            raise self._error(
                f"{wrong[0]!r}: expected {self.size:,} of {self.dtype}, got {row.dtype} {tuple(row.shape)}"
            )
        if (handle.metadata() or {}).get("sha256") != _digest(tensors):
            raise self._error("its bytes are not those that were written")
        return handle

    def _error(self, problem: str) -> RowFolderError:
        return RowFolderError(f"{self.path}: {problem}; delete it, and take the rows of that step again")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _require_same(file: Path, expected: Mapping[str, Any]) -> None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RowFolderError(f"{file}: no JSON: {in_one_line(str(error))}; choose another folder") from error
    for key, value in expected.items():
        if not isinstance(found, dict) or found.get(key) != json.loads(json.dumps(value)):
            was = found.get(key) if isinstance(found, dict) else found
            raise RowFolderError(
                f"{file}: the rows there are of other {key}: expected {in_one_line(json.dumps(value))[:120]}, found "
                f"{in_one_line(json.dumps(was))[:120]}; choose another folder, or delete that one"
            )
