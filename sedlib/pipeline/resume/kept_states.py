"""States as files: tensors and JSON, under a name that ends with the hash of the content; no pickle.

A state is a dict, in which dicts and lists may stand, of tensors and of what JSON holds. A file holds some states one
after another, each as the JSON text and then its tensors in the order of the text, all as arrays in NumPy's format. A
file whose content has another hash than its name says is damaged, whatever happened to it.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

State = Mapping[str, Any]
TENSOR = {"tensor": "follows"}
"""Stands in place of a tensor in the JSON."""


@dataclass(frozen=True)
class Copied:
    """A state as it was at one moment: the rest as JSON, and the arrays of its tensors."""

    text: str
    arrays: tuple[np.ndarray, ...]

    @property
    def size(self) -> int:
        """Bytes of memory, nearly."""
        return len(self.text) + sum(array.nbytes for array in self.arrays)


def copied(state: State) -> Copied:
    """The state, apart from tensors that go on to change.

    Raises
    ------
    TypeError
        Something in it is neither a tensor nor JSON.
    """
    arrays: list[np.ndarray] = []

    def put(value: object) -> dict[str, str]:
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a tensor or JSON in a state, got {type(value).__name__}")
        arrays.append(np.array(value.detach().cpu()))  # with the strides, on which products' rounding may depend
        return TENSOR

    return Copied(json.dumps(state, default=put), tuple(arrays))


def write_states(folder: Path, name: str, states: Sequence[Copied]) -> Path:
    """Write a file that appears whole, and on the disk; its name is ``name`` and the hash of the content."""
    temporary = folder / f"{name}.tmp"
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            for state in states:
                for array in (np.frombuffer(state.text.encode(), np.uint8), *state.arrays):
                    np.save(hashing, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        return temporary.rename(folder / f"{name}.{hashing.sha256.hexdigest()}")
    finally:
        temporary.unlink(missing_ok=True)


def read_content(path: Path) -> bytes | None:
    """The content of a file of states; None if it is not what was written."""
    content = path.read_bytes()
    return content if path.name.endswith(f".{hashlib.sha256(content).hexdigest()}") else None


def states_in(content: bytes) -> Iterator[dict[str, Any]]:
    """The states in a file's content, in order; tensors are on the CPU."""
    stream = io.BytesIO(content)

    def take(found: dict[str, Any]) -> object:
        return torch.from_numpy(np.load(stream, allow_pickle=False)) if found == TENSOR else found

    while stream.tell() < len(content):
        text = np.load(stream, allow_pickle=False).tobytes().decode()
        yield json.loads(text, object_hook=take)


def copy_into(target: Tensor, kept: Tensor) -> None:
    """Give a tensor the kept values in place, so that what reads its memory, such as a recorded graph, sees them.

    Raises
    ------
    ValueError
        Shapes or dtypes differ.
    """
    if (target.shape, target.dtype) != (kept.shape, kept.dtype):
        raise ValueError(
            f"expected {target.dtype} {tuple(target.shape)} in a snapshot, found {kept.dtype} {tuple(kept.shape)}"
        )
    with torch.no_grad():
        target.copy_(kept)


def hash_of(tensor: Tensor) -> str:
    """Hash of a tensor's values, row by row."""
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


class _Hashing:
    """Hashes what is written to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file

    def write(self, part: bytes) -> int:
        self.sha256.update(part)
        return self._file.write(part)
