"""The rows of one step in one safetensors file: written whole or not at all, and checked before they are believed.

Shapes: a row is ``[params]``. Units: those of what is recorded, whatever the file's dtype. Rows of 16 bits as float16
are kept as shares of their largest power of two, so that small gradients do not vanish; the power is in the header.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sedlib.base.errors import UserError, in_one_line
from sedlib.base.tensors_to_disk import write_tensors

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
HEADER = "sedlib"
DIGITS = r"\d{9,18}"
"""Of a step in a file's name."""
LARGEST_STEP = 10**18 - 1
SMALLEST_POWER = -100
"""Below it a row is as good as zero, and the power's inverse is no float32."""


class RowFolderError(UserError):
    """A folder of rows that is broken, or of another run; the message names the file."""


def require_step(step: int) -> int:
    """A step as it is, if the name of a file can hold it.

    Raises
    ------
    UserError
        It is negative, or has more than 18 digits.

    Examples
    --------
    >>> require_step(10**18)
    Traceback (most recent call last):
    sedlib.base.errors.UserError: step 1,000,000,000,000,000,000: expected 0 to 999,999,999,999,999,999; number ...
    """
    if not 0 <= step <= LARGEST_STEP:
        raise UserError(f"step {step:,}: expected 0 to {LARGEST_STEP:,}; number the steps anew, such as by steps=[…]")
    return step


def step_name(kind: str, step: int) -> str:
    """The name of a step's file, without its ending.

    Raises
    ------
    UserError
        As ``require_step`` does.

    Examples
    --------
    >>> step_name("step", 100)
    'step-000000100'
    """
    return f"{kind}-{require_step(step):09}"


def write_rows(
    file: Path, rows: Mapping[str, Float[Tensor, " params"]], dtype: torch.dtype, left_out: Mapping[str, str] | None
) -> None:
    """Write finite rows by stream, with a reason for each that is left out.

    Raises
    ------
    UserError
        A row is not finite.
    """
    powers = {name: _power(row) if dtype == torch.float16 else 0 for name, row in rows.items()}
    tensors = {name: _stored(file, name, row, dtype, powers[name]) for name, row in rows.items()}
    about = json.dumps({"powers": powers, "left_out": dict(left_out or {})}, sort_keys=True)
    header = json.dumps({"about": about, "sha256": _digest(tensors, about)})
    write_tensors(file, tensors, {HEADER: header})  # one entry, as safetensors writes several in any order


def _power(row: Tensor) -> int:
    largest = float(row.detach().abs().max()) if row.numel() else 0.0
    return max(math.frexp(largest)[1], SMALLEST_POWER) if math.isfinite(largest) else 0


def _stored(file: Path, name: str, row: Tensor, dtype: torch.dtype, power: int) -> Tensor:
    stored = (row.detach() * 2.0**-power).to("cpu", dtype).contiguous()
    if not stored.isfinite().all():
        fits = f", though finite in {_short(row.dtype)}" if bool(row.isfinite().all()) else ""
        raise UserError(f"{file.name}, {name!r}: not finite in {_short(dtype)}{fits}")
    return stored


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class StepFile:
    """One step's file, whose hash and sizes were checked."""

    path: Path
    size: int
    dtype: torch.dtype

    def part(self, name: str, columns: slice) -> Float[np.ndarray, " columns"]:
        """Some columns of a row, in float32."""
        start, stop, _ = columns.indices(self.size)
        return (self._handle.get_slice(name)[start:stop].float() * 2.0 ** self._about["powers"][name]).numpy()

    @cached_property
    def names(self) -> list[str]:
        """Streams that have a row here."""
        return sorted(self._handle.keys())

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Streams whose row is not here, and why."""
        return dict(self._about["left_out"])

    @property
    def digest(self) -> str:
        """The hash of what is here."""
        return str(self._opened[2])

    @property
    def _about(self) -> dict[str, Any]:
        return dict(self._opened[1])

    @property
    def _handle(self) -> Any:
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Any, dict[str, Any], str]:
        try:
            handle = safe_open(self.path, framework="pt").__enter__()  # closed with the object that holds it
        except (SafetensorError, RuntimeError, OSError) as error:
            raise self._error(f"no whole safetensors file: {in_one_line(str(error))}") from error
        tensors = {name: handle.get_tensor(name) for name in sorted(handle.keys())}
        if wrong := [name for name, row in tensors.items() if row.shape != (self.size,) or row.dtype != self.dtype]:
            row = tensors[wrong[0]]
            raise self._error(
                f"{wrong[0]!r}: expected {self.size:,} of {self.dtype}, got {row.dtype} {tuple(row.shape)}"
            )
        try:
            header = json.loads((handle.metadata() or {})[HEADER])
            about, digest = header["about"], header["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._error("no file of rows, as its header has no hash of them") from error
        if digest != _digest(tensors, about):
            raise self._error("its bytes are not those that were written")
        return handle, json.loads(about), digest

    def _error(self, problem: str) -> RowFolderError:
        return RowFolderError(f"{self.path}: {problem}; delete it, and take the rows of that step again")


def _digest(tensors: Mapping[str, Tensor], about: str) -> str:
    found = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()
