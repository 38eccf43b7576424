"""Tensors of a file of weights, read one at a time, after shapes and sizes were compared with the module's.

No file runs code: safetensors hold none, and ``torch.load`` is called with ``weights_only`` alone. A header that asks
for more than a module has is refused before a value is read.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sedlib.base.errors import in_one_line, listed
from sedlib.saved.safetensors_file import safetensors
from sedlib.saved.torch_file import torch_tensors
from sedlib.saved.weights_file import WeightsError, WeightsFile

LONGEST_INDEX = 64 * 2**20
"""Bytes of an index of shards."""
SHARD = re.compile(r"(?P<of>.+)-\d+-of-\d+(?P<ending>\.\w+)")
"""The name of one of several files that an index lists."""


@contextmanager
def opened(file: Path) -> Iterator[WeightsFile]:
    """A file's tensors by name, or those of the files that an index lists.

    Raises
    ------
    WeightsError
        The file is broken, of an unknown kind, or holds anything but tensors; a shard is missing, or of another save.

    Examples
    --------
    >>> import tempfile, torch
    >>> place = Path(tempfile.mkdtemp()) / "step-5.pt"
    >>> torch.save({"weight": torch.ones(2)}, place)
    >>> with opened(place) as tensors:
    ...     tensors.shape("weight")
    (2,)
    """
    with _sharded(file) if file.name.endswith(".index.json") else _one_file(file) as tensors:
        yield tensors


@contextmanager
def _one_file(file: Path) -> Iterator[WeightsFile]:
    if file.suffix == ".safetensors":
        with safetensors(file) as tensors:
            yield tensors
    else:
        yield torch_tensors(file)


class _Shards(WeightsFile):
    """Tensors of several open files by an index."""

    def __init__(self, files: Mapping[str, str], shards: Mapping[str, WeightsFile]) -> None:
        self._files, self._shards = files, shards

    def __getitem__(self, name: str) -> Any:
        return self._shards[self._files[name]][name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor that is not read."""
        return self._shards[self._files[name]].shape(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@contextmanager
def _sharded(index: Path) -> Iterator[_Shards]:
    files = _listed_in(index)
    names = sorted(set(files.values()))
    if outside := [name for name in names if Path(name).name != name or name.endswith(".index.json")]:
        raise WeightsError(index, f"shards must lie beside the index, got {listed(outside)}")
    if missing := [name for name in names if not (index.parent / name).is_file()]:
        raise WeightsError(index, f"shards are missing: {listed(missing)}; copy the folder again, or leave it out")
    if more := _unlisted_beside(index, names):
        raise WeightsError(
            index, f"lists other shards than lie beside it: {listed(more)}; delete those of another save"
        )
    with ExitStack() as stack:
        shards = {name: stack.enter_context(_one_file(index.parent / name)) for name in names}
        for name, tensors in shards.items():
            expected = {tensor for tensor, file in files.items() if file == name}
            if lacking := sorted(expected - set(tensors)):
                raise WeightsError(index, f"{listed(lacking)} is not in {name!r}, where the index says it is")
            if unlisted := sorted(set(tensors) - expected):
                raise WeightsError(index, f"{name!r} holds {listed(unlisted)}, which the index does not list there")
        yield _Shards(files, shards)


def _listed_in(index: Path) -> dict[str, str]:
    """The file of each tensor."""
    try:
        if index.stat().st_size > LONGEST_INDEX:
            raise WeightsError(index, f"an index of more than {LONGEST_INDEX:,} bytes")
        content = json.loads(index.read_text(encoding="utf-8"), object_pairs_hook=_without_doubles)
        files = content["weight_map"]
        if not files or not all(isinstance(file, str) for file in files.values()):
            raise ValueError("weight_map holds no names of files")
        return dict(files)
    except WeightsError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError, OSError) as error:
        raise WeightsError(index, f"expected an index with a weight_map, got {in_one_line(repr(error))}") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{listed(sorted({name for name in names if names.count(name) > 1}))} twice")
    return dict(pairs)


def _unlisted_beside(index: Path, names: Collection[str]) -> list[str]:
    """Files that are named as the shards are."""
    kinds = {match.groups() for name in names if (match := SHARD.fullmatch(name))}
    found = sorted(file.name for file in index.parent.iterdir())
    return [
        name for name in found if name not in names and (match := SHARD.fullmatch(name)) and match.groups() in kinds
    ]
