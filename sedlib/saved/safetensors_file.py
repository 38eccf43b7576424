"""Tensors of a safetensors file, which holds no code, and no checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from sedlib.base.errors import in_one_line
from sedlib.saved.weights_file import WeightsError, WeightsFile


class SafeTensors(WeightsFile):
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
def safetensors(file: Path) -> Iterator[SafeTensors]:
    """An open safetensors file's tensors.

    Raises
    ------
    WeightsError
        The file is cut, or its header cannot be read.

    Examples
    --------
    >>> import tempfile, torch
    >>> from safetensors.torch import save_file
    >>> place = Path(tempfile.mkdtemp()) / "step-5.safetensors"
    >>> save_file({"weight": torch.ones(2)}, place)
    >>> with safetensors(place) as tensors:
    ...     dict(tensors)
    {'weight': tensor([1., 1.])}
    """
    try:
        opening = safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise WeightsError(file, f"no whole safetensors file: {in_one_line(str(error))}") from error
    with opening as handle:
        yield SafeTensors(handle, file)
