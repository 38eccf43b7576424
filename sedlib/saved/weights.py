"""Tensors of a file of weights, read one at a time, after shapes and sizes were compared with the module's.

No file runs code: safetensors hold none, and ``torch.load`` is called with ``weights_only`` alone. A header that asks
for more than a module has is refused before a value is read.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sedlib.base.errors import in_one_line, listed

LONGEST_INDEX = 64 * 2**20
"""Bytes of an index of shards."""
UNSUPPORTED = re.compile(r"Unsupported (?:global|class|operand|type)[^:]*:? (?:GLOBAL )?(\S+)", re.IGNORECASE)
"""In the message of ``torch.load``: what it refuses to make."""
INSIDE = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Under which names trainers keep a network's weights in a dictionary of theirs, Lightning's first."""


class WeightsError(ValueError):
    """A file of weights that cannot be believed; the message names the file."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


@contextmanager
def opened(file: Path) -> Iterator[Mapping[str, Any]]:
    """A file's tensors by name; a tensor's values are read when it is asked for.

    Raises
    ------
    WeightsError
        The file is broken, of an unknown kind, or holds anything but tensors.
    """
    if file.name.endswith(".index.json"):
        with _sharded(file) as tensors:
            yield tensors
    elif file.suffix == ".safetensors":
        with _safetensors(file) as tensors:
            yield tensors
    else:
        yield _torch(file)


class LazyTensors(Mapping[str, Tensor]):
    """Tensors of an open safetensors file."""

    def __init__(self, handle: Any, file: Path) -> None:
        self._handle, self._file, self._names = handle, file, list(handle.keys())

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        try:
            return self._handle.get_tensor(name)
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WeightsError(self._file, f"{name!r} cannot be read: {in_one_line(str(error))}") from error

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor that is not read."""
        return tuple(self._handle.get_slice(name).get_shape())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def _safetensors(file: Path) -> Iterator[LazyTensors]:
    try:
        with safe_open(file, framework="pt") as handle:
            yield LazyTensors(handle, file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(file, f"no whole safetensors file: {in_one_line(str(error))}") from error


class _Shards(Mapping[str, Tensor]):
    """Tensors of several files by an index."""

    def __init__(self, index: Path, files: Mapping[str, str]) -> None:
        self._folder, self._index, self._files = index.parent, index, dict(files)

    def __getitem__(self, name: str) -> Tensor:
        with opened(self._folder / self._files[name]) as shard:
            if name not in shard:
                raise WeightsError(self._index, f"{name!r} is not in {self._files[name]!r}, where the index says it is")
            return shard[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@contextmanager
def _sharded(index: Path) -> Iterator[_Shards]:
    if index.stat().st_size > LONGEST_INDEX:
        raise WeightsError(index, f"an index of more than {LONGEST_INDEX:,} bytes")
    try:
        files = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = {str(file) for file in files.values()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(index, f"expected an index with a weight_map, got {in_one_line(repr(error))}") from error
    if outside := sorted(name for name in names if Path(name).name != name or name.endswith(".index.json")):
        raise WeightsError(index, f"shards must lie beside the index, got {listed(outside)}")
    if missing := sorted(name for name in names if not (index.parent / name).is_file()):
        raise WeightsError(index, f"shards are missing: {listed(missing)}")
    yield _Shards(index, {str(name): str(file) for name, file in files.items()})


def _torch(file: Path) -> Mapping[str, Any]:
    if not zipfile.is_zipfile(file):
        raise WeightsError(
            file, "no zip file as torch.save writes it; it is cut, or of PyTorch before 1.6: save it again"
        )
    with zipfile.ZipFile(file) as archive:
        if packed := [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]:
            raise WeightsError(file, f"torch.save does not compress, and {listed(packed)} of it is")
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        what = ", ".join(UNSUPPORTED.findall(str(error))) or "what torch.load does not call safe"
        raise WeightsError(
            file,
            f"holds more than tensors: {in_one_line(what)}; where you trust the file, load it yourself and give its "
            "weights by a function that yields (step, state dict)",
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise WeightsError(file, f"cannot be read: {in_one_line(str(error))}") from error
    return _weights_of(file, loaded)


def _weights_of(file: Path, loaded: Any) -> Mapping[str, Any]:
    """The state dict itself, or the one in a trainer's dictionary."""
    if not isinstance(loaded, Mapping):
        raise WeightsError(file, f"expected a state dict, got {type(loaded).__name__}")
    if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
        return loaded
    for name in INSIDE:
        if isinstance(inside := loaded.get(name), Mapping) and any(
            isinstance(value, Tensor) for value in inside.values()
        ):
            return inside
    raise WeightsError(
        file, f"no weights under {', '.join(INSIDE)}; the file holds {listed([str(key) for key in loaded])}"
    )
