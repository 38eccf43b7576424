"""What a file of weights is to its readers, and the refusal of one."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class WeightsError(ValueError):
    """A file of weights that cannot be believed; the message names the file."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


class WeightsFile(Mapping[str, Any]):
    """An open file's tensors by name; a tensor's values are read, and compared with their checksum, when asked for."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor whose values are not read; empty for what is no tensor."""
