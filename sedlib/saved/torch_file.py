"""Tensors of a file of ``torch.save``: a zip file, of which every byte of content has a checksum.

``torch.load`` compares no checksum. Here they are compared: of all but values when the file is opened, and of values,
in blocks, before the first is given.
"""

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sedlib.base.errors import in_one_line, listed, quoted
from sedlib.saved.weights_file import WeightsError, WeightsFile

BLOCK = 2**20
"""Bytes in memory while a checksum is taken."""
VALUES = "/data/"
"""In the name of a member of the zip file that holds a tensor's values."""
UNSUPPORTED = re.compile(r"Unsupported (?:global|class|operand|type)[^:]*:? (?:GLOBAL )?(\S+)", re.IGNORECASE)
"""In the message of ``torch.load``: what it refuses to make."""
INSIDE = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Under which names trainers keep a network's weights in a dictionary of theirs, Lightning's first."""

COPY_AGAIN = "copy the file again, or leave it out of the run"
NO_CHECKSUM = "if it was saved after torch.serialization.set_crc32_options(False), load and save it again without that"


class TorchTensors(WeightsFile):
    """A state dict whose file's values are compared with their checksums before the first is given."""

    def __init__(self, file: Path, state: Mapping[str, Any]) -> None:
        self._file, self._state, self._is_whole = file, state, False

    def __getitem__(self, name: str) -> Any:
        if not self._is_whole:
            _require_checksums(self._file, values=True)
            self._is_whole = True
        return self._state[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor whose values are not read; empty for what is no tensor."""
        return tuple(getattr(self._state[name], "shape", ()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)


def torch_tensors(file: Path) -> TorchTensors:
    """The network's tensors: the state dict itself, or the one in a trainer's dictionary.

    Raises
    ------
    WeightsError
        The file is damaged, or holds anything but tensors, or no network's, or several.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "step-5.pt"
    >>> torch.save({"model": {"weight": torch.ones(2)}, "epoch": 3}, place)
    >>> dict(torch_tensors(place))
    {'weight': tensor([1., 1.])}
    """
    _require_checksums(file, values=False)
    with _refusing(file, "cannot be read"):
        try:
            loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        except pickle.UnpicklingError as error:
            what = ", ".join(UNSUPPORTED.findall(str(error))) or "what torch.load does not call safe"
            raise WeightsError(
                file,
                f"holds more than tensors: {in_one_line(what)}; where you trust the file, load it yourself and give "
                "its weights by a function that yields (step, state dict)",
            ) from error
    return TorchTensors(file, _weights_of(file, loaded))


def _require_checksums(file: Path, *, values: bool) -> None:
    """Refuse a zip file that is damaged in its tensors' values, or in the rest."""
    with _refusing(file, "cannot be read as a zip file"), file.open("rb") as handle:
        if not zipfile.is_zipfile(handle):
            raise WeightsError(
                file, "no zip file as torch.save writes it; it is cut, or of PyTorch before 1.6: save it again"
            )
        archive = zipfile.ZipFile(handle)
        entries = [entry for entry in archive.infolist() if (VALUES in entry.filename) == values]
        if packed := [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]:
            raise WeightsError(file, f"torch.save does not compress, and {listed(packed)} of it is")
        for entry in entries:
            remedy = COPY_AGAIN if entry.CRC else NO_CHECKSUM
            with _refusing(file, f"{quoted(entry.filename)} in it is damaged", remedy), archive.open(entry) as member:
                while member.read(BLOCK):
                    pass


@contextmanager
def _refusing(file: Path, problem: str, remedy: str = COPY_AGAIN) -> Iterator[None]:
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # a damaged header or a crafted pickle makes zipfile and torch.load raise any kind
        raise WeightsError(file, f"{problem}: {in_one_line(f'{type(error).__name__}: {error}')}; {remedy}") from error


def _weights_of(file: Path, loaded: Any) -> Mapping[str, Any]:
    if not isinstance(loaded, Mapping):
        raise WeightsError(file, f"expected a state dict, got {type(loaded).__name__}")
    states = {name: loaded[name] for name in INSIDE if _has_tensors(loaded.get(name))}
    if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
        states = {"": loaded}
    if len(states) > 1:
        raise WeightsError(
            file,
            f"several networks, under {listed(list(states))}; load the file yourself and give the weights of one by a "
            "function that yields (step, state dict)",
        )
    if not states:
        raise WeightsError(
            file, f"no weights under {', '.join(INSIDE)}; the file holds {listed([str(key) for key in loaded])}"
        )
    (state,) = states.values()
    if strange := [name for name in state if not isinstance(name, str)]:
        raise WeightsError(file, f"expected names of tensors, got {listed(strange)}")
    return state


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(inside, Tensor) for inside in value.values())
