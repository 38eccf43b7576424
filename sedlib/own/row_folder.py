"""Rows of a run on disk: a folder with one file for each step, written whole or not at all.

``about.json`` says of which slots the rows are. ``step-000000100.safetensors`` holds the rows of step 100 by stream,
each ``[params]``, in 16 or 32 bits, and the hash of their bytes; of a folder of sketches each is ``[sketch]``. A folder
that was left in the middle of a run goes on. Where ``sedlib.measure`` took rows, ``state-000000100.json`` has hashes of
the state of which they are.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.atomic import replacing, sync
from sedlib.base.border.checked import require_fields
from sedlib.base.errors import UserError, in_one_line, listed
from sedlib.own.given import folder_for, require_one_of
from sedlib.own.step_file import DIGITS, DTYPES, RowFolderError, StepFile, step_name, write_rows
from sedlib.own.taking.state_hashes import StateHashes
from sedlib.sketches.sketch import CountSketch
from sedlib.terms.stream_names import GRADIENT, TOTAL_GRADIENT
from sedlib.vectors import ParamLayout

FORMAT = "sedlib rows/1"
EVERY = "every stream"
"""In place of a stream's name, where no row could be taken."""
FILE = re.compile(rf"step-({DIGITS})\.safetensors")


@dataclass(frozen=True)
class RowFolder:
    """Rows of one run, by step and stream; with ``sketch`` a sketch is kept of each, and the row is not.

    Raises
    ------
    RowFolderError
        The folder holds rows of other slots, in another dtype, or as another sketch.
    UserError
        There is no such dtype, the sketch is not shorter than a row, or the path is of a file.

    Examples
    --------
    >>> import tempfile, torch
    >>> layout = ParamLayout(("weight",), ((2, 2),))
    >>> folder = RowFolder(Path(tempfile.mkdtemp()), layout)
    >>> folder.append(100, {"gradient/next": torch.tensor([1.0, 2.0, 3.0, 4.0])})
    >>> folder.append(200, {"gradient/next": torch.tensor([5.0, 6.0, 7.0, 8.0])})
    >>> rows = folder.stream("gradient/next")
    >>> rows.steps, rows[0:2, 1:3].tolist()
    ([100, 200], [[2.0, 3.0], [6.0, 7.0]])

    Sketches have about the inner products of the rows, and so their singular values and gaps:

    >>> folder = RowFolder(Path(tempfile.mkdtemp()), layout, sketch=CountSketch(3))
    >>> folder.append(100, {"gradient/next": torch.tensor([0.0, 0.0, 3.0, 0.0])})
    >>> folder.stream("gradient/next").shape, float(folder.row(100, "gradient/next").norm())
    ((1, 3), 3.0)
    """

    path: Path
    layout: ParamLayout
    dtype: str = "float32"
    sketch: CountSketch | None = None
    _checked: dict[int, tuple[int, StepFile]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Files that were opened and whose hash was checked, by step, with the time at which each was written."""

    def __post_init__(self) -> None:
        require_fields(self)
        require_one_of("dtype", self.dtype, DTYPES)
        folder_for("path", self.path)
        if self.sketch and self.sketch.buckets >= self.layout.size:
            raise UserError(
                f"sketch: expected fewer buckets than the {self.layout.size:,} numbers of a row, got "
                f"{self.sketch.buckets:,}; without a sketch the rows themselves are kept"
            )
        sketch = self.sketch and {"buckets": self.sketch.buckets, "seed": self.sketch.seed}
        about = {"format": FORMAT, "dtype": self.dtype, "sketch": sketch, "slots": json.loads(self.layout.to_json())}
        file = self.path / "about.json"
        if file.exists():
            _require_same(file, about)
        elif others := self.steps if self.path.is_dir() else []:
            raise RowFolderError(
                f"{self.path}: expected a folder of rows, or a new one, got {self._file(others[0]).name} and no "
                "about.json: are these states? Choose another folder"
            )
        else:
            with replacing(file) as temporary:
                temporary.write_text(json.dumps(about, indent=1), encoding="utf-8")

    @property
    def steps(self) -> list[int]:
        """Steps of which there are rows, ascending."""
        names = (FILE.fullmatch(file.name) for file in self.path.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def append(
        self, step: int, rows: Mapping[str, Float[Tensor, " params"]], left_out: Mapping[str, str] | None = None
    ) -> None:
        """Write the rows of a step, with a reason for each that is left out; a step that is there already is replaced.

        A folder of sketches makes them of the rows, and takes sketches as they are.

        Raises
        ------
        UserError
            A row is not of the layout's size, or not finite, also in the folder's dtype; or the step has more than 18
            digits.
        """
        kept = {name: self._kept(step, name, row) for name, row in rows.items()}
        write_rows(self._file(step), kept, DTYPES[self.dtype], left_out)

    def add(
        self, step: int, rows: Mapping[str, Float[Tensor, " params"]], left_out: Mapping[str, str] | None = None
    ) -> None:
        """Write further rows of a step that is there; those that it has stay.

        Raises
        ------
        UserError
            As ``append`` does.

        Examples
        --------
        >>> import tempfile, torch
        >>> folder = RowFolder(Path(tempfile.mkdtemp()), ParamLayout(("weight",), ((2,),)))
        >>> folder.append(100, {"update": torch.ones(2)})
        >>> folder.add(100, {"gradient/next": torch.zeros(2)})
        >>> folder.names(100)
        ['gradient/next', 'update']
        """
        there = self.at(step)
        held = {name: self.row(step, name) for name in there.names}
        kept = {name: self._kept(step, name, row) for name, row in rows.items()}
        write_rows(self._file(step), held | kept, DTYPES[self.dtype], {**there.left_out, **(left_out or {})})

    def as_kept(self, row: Float[Tensor, " params"]) -> Float[Tensor, " kept"]:
        """What is kept of a row: its sketch, or itself."""
        return self.sketch(row.detach()).float() if self.sketch else row.detach()

    def _kept(self, step: int, name: str, row: Float[Tensor, " params"]) -> Float[Tensor, " kept"]:
        if self.sketch and row.shape == (self.size,):
            return row
        if row.shape != (self.layout.size,):
            shape = tuple(row.shape)
            raise UserError(f"step {step:,}, {name!r}: expected a row of {self.layout.size:,}, got shape {shape}")
        if self.sketch and not row.isfinite().all():
            raise UserError(f"step {step:,}, {name!r}: not finite, so it has no sketch")
        return self.as_kept(row)

    def row(self, step: int, name: str) -> Float[Tensor, " kept"]:
        """What is kept of one row."""
        return torch.from_numpy(self.at(step).part(name, slice(None)))

    @property
    def size(self) -> int:
        """Numbers that are kept of a row."""
        return self.sketch.buckets if self.sketch else self.layout.size

    def stream(self, name: str) -> "StreamOnDisk":
        """The rows of a stream at the steps that have one; ``gradient/total`` is the sum of the tasks' rows.

        Raises
        ------
        RowFolderError
            No step has one, or a file is broken.
        """
        files = {step: self.at(step) for step in self.steps}
        streams = {known for file in files.values() for known in [*file.names, *file.left_out]}
        tasks = {known for known in streams if known.startswith(f"{GRADIENT}/")}
        parts = sorted(tasks) if name == TOTAL_GRADIENT and name not in streams and tasks else [name]
        if held := {step: file for step, file in files.items() if {*parts} <= {*file.names}}:
            return StreamOnDisk(parts, list(held), list(held.values()))
        known = sorted({name for file in files.values() for name in file.names})
        raise RowFolderError(f"{self.path}: no row of {name!r} at {len(files):,} steps; there are {listed(known)}")

    def names(self, step: int) -> list[str]:
        """Streams that have a row at a step."""
        return self.at(step).names

    @property
    def left_out(self) -> dict[int, dict[str, str]]:
        """By step and stream, why a row is not here."""
        found = {step: self.at(step).left_out for step in self.steps}
        return {step: reasons for step, reasons in found.items() if reasons}

    def at(self, step: int) -> StepFile:
        """The file of a step; whatever is read of it, its hash is checked once."""
        file = self._file(step)
        written = file.stat().st_mtime_ns if file.exists() else 0
        if step not in self._checked or self._checked[step][0] != written:
            self._checked[step] = written, StepFile(file, self.size, DTYPES[self.dtype])
        return self._checked[step][1]

    def drop_from(self, step: int) -> None:
        """Delete the rows of a step and of all later ones, the last first, and the hashes of their states."""
        StateHashes(self.path).forget_from(step)
        for later in sorted((known for known in self.steps if known >= step), reverse=True):
            self._file(later).unlink()
            sync(self.path)

    def drop(self, step: int) -> None:
        """Delete the rows of a step, and the hashes of its state."""
        StateHashes(self.path).forget(step)
        self._file(step).unlink(missing_ok=True)

    def _file(self, step: int) -> Path:
        return self.path / f"{step_name('step', step)}.safetensors"


@dataclass(frozen=True)
class StreamOnDisk:
    """Rows of one stream, read in blocks as sedlib.base.long_rows.matrix_rows.Rows; in float32."""

    parts: list[str]
    """Streams whose rows are added up; one, as a rule."""
    steps: list[int]
    """Ascending."""
    files: list[StepFile]
    """One for each step."""

    def at(self, steps: Collection[int]) -> "StreamOnDisk":
        """The stream at some of its steps."""
        held = {step: file for step, file in zip(self.steps, self.files, strict=True) if step in steps}
        return StreamOnDisk(self.parts, list(held), list(held.values()))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and parameters."""
        return len(self.files), self.files[0].size if self.files else 0

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns of two slices."""
        rows, columns = key
        return np.stack([sum(file.part(part, columns) for part in self.parts) for file in self.files[rows]])


def _require_same(file: Path, expected: Mapping[str, Any]) -> None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RowFolderError(f"{file}: no JSON: {in_one_line(str(error))}; choose another folder") from error
    for key, value in expected.items():
        if not isinstance(found, dict) or found.get(key) != json.loads(json.dumps(value)):
            was = found.get(key) if isinstance(found, dict) else found
            raise RowFolderError(
                f"{file}: the rows in it are of other {key}: expected {in_one_line(json.dumps(value))[:120]}, found "
                f"{in_one_line(json.dumps(was))[:120]}; choose another folder, or delete that one"
            )
