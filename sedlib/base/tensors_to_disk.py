"""Tensors as a file of safetensors that is there whole or not at all, whatever the disk does."""

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from sedlib.base.atomic import replacing

NUMBER = re.compile(r"os error (\d+)")


def write_tensors(file: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, with texts in the header.

    Raises
    ------
    WriteError
        The file system refuses; what the file held before is still there.

    Examples
    --------
    >>> import tempfile, torch
    >>> file = Path(tempfile.mkdtemp()) / "one.safetensors"
    >>> write_tensors(file, {"weight": torch.ones(2)})
    >>> [found.name for found in file.parent.iterdir()]
    ['one.safetensors']
    """
    with replacing(file) as temporary:
        try:
            save_file(dict(tensors), temporary, dict(header) if header else None)
        except SafetensorError as error:  # what the system said is in its text alone
            if number := NUMBER.search(str(error)):
                raise OSError(int(number[1]), str(error), str(temporary)) from error
            raise
