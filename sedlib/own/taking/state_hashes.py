"""Of which states of a network the rows in a folder are: a hash of every tensor, by step, kept beside the rows.

``state-000000100.json`` has those of step 100. A run is gone through more than once, and a folder outlives a call: rows
and responses of one step count only if they are of the same network. Every tensor counts, not the slots alone, since
gradients and responses depend on all of them; what a state does not bring, as masks, is the module's own and does not.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sedlib.base.atomic import replacing
from sedlib.base.errors import in_one_line, listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.tensors import places
from sedlib.own.step_file import DIGITS, RowFolderError, step_name

FILE = re.compile(rf"state-({DIGITS})\.json")
LENGTH = 16
"""Hexadecimal digits of a hash: it tells tensors apart, and is no seal."""


def hashes_of(checkpoint: Checkpoint) -> dict[str, str]:
    """A hash of each tensor of a checkpoint, as it is measured: in float32 if the state has 16 bits.

    Examples
    --------
    >>> from sedlib.vectors import ParamLayout
    >>> module = nn.Linear(2, 1)
    >>> layout, state = ParamLayout.select(module, "weight"), {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
    >>> one, other = (hashes_of(Checkpoint(module, layout, {**state, "bias": torch.full((1,), b)})) for b in (1.0, 2.0))
    >>> one["weight"] == other["weight"], one["bias"] == other["bias"]
    (True, False)
    """

    def hashed(module: nn.Module) -> dict[str, str]:
        brought = {name: tensor for name, tensor in places(module).items() if name not in checkpoint.live}
        return {name: _hash(tensor) for name, tensor in brought.items()}

    found: dict[str, str] = checkpoint.at(hashed)()
    return found


def _hash(tensor: Tensor) -> str:
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(values.numpy().data).hexdigest()[:LENGTH]


@dataclass(frozen=True)
class StateHashes:
    """The hashes in a folder of rows.

    Examples
    --------
    >>> import tempfile
    >>> known = StateHashes(Path(tempfile.mkdtemp()))
    >>> known.keep(100, {"weight": "0a", "bias": "0b"})
    >>> known.require_same(100, {"weight": "0a", "bias": "0c"})
    Traceback (most recent call last):
    sedlib.own.step_file.RowFolderError: ..., step 100: 'bias' is not as it was when the rows there were taken: ...
    """

    path: Path

    def keep(self, step: int, hashes: Mapping[str, str]) -> None:
        """Write the hashes of a step, unless there are some."""
        if not (file := self._file(step)).exists():
            with replacing(file) as temporary:
                temporary.write_text(json.dumps(hashes), encoding="utf-8")

    def require_same(self, step: int, hashes: Mapping[str, str]) -> None:
        """Refuse a state that is not the one of which the rows are; rows without hashes are of any state.

        Raises
        ------
        RowFolderError
            A tensor is another one, or the file is broken; the message names the step and the tensors.
        """
        if not (file := self._file(step)).exists():
            return
        held = _read(file)
        if differing := sorted(name for name in held.keys() | hashes.keys() if held.get(name) != hashes.get(name)):
            are = "are not as they were" if len(differing) > 1 else "is not as it was"
            raise RowFolderError(
                f"{self.path}, step {step:,}: {listed(differing)} {are} when the rows there were taken: a function of "
                "states must yield the same run at each call, and files must stay as they are while they are "
                "measured; for another run choose another folder by rows=, or delete this one"
            )

    def forget(self, step: int) -> None:
        """Delete the hashes of a step."""
        self._file(step).unlink(missing_ok=True)

    def forget_from(self, step: int) -> None:
        """Delete the hashes of a step and of later ones."""
        for file in list(self.path.iterdir()):
            if (name := FILE.fullmatch(file.name)) and int(name[1]) >= step:
                file.unlink()

    def _file(self, step: int) -> Path:
        return self.path / f"{step_name('state', step)}.json"


def _read(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RowFolderError(f"{file}: no JSON: {in_one_line(str(error))}; delete it") from error
    if not isinstance(found, dict):
        raise RowFolderError(f"{file}: expected hashes by tensor, got {in_one_line(repr(found))}; delete it")
    return found
