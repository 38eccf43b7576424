"""The slots at the last recorded step, kept beside the rows: the next update is the way from there.

Shapes: θ is ``[params]``. Units: those of the parameters.

θ is written before the rows of its step, and those of earlier steps go after: whenever the process ends, θ of the last
step that has rows is there.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.own.step_file import DIGITS, StepFile, step_name, write_rows

NAME = "parameters"
FILE = re.compile(rf"{NAME}-({DIGITS})\.safetensors")


@dataclass(frozen=True)
class KeptParameters:
    """θ of one step, in float32.

    Examples
    --------
    >>> import tempfile
    >>> kept = KeptParameters(Path(tempfile.mkdtemp()), 2)
    >>> kept.keep(100, torch.ones(2))
    >>> kept.newest(at_most=200)
    (100, tensor([1., 1.]))
    """

    path: Path
    size: int

    def keep(self, step: int, theta: Float[Tensor, " params"]) -> None:
        """Write θ of a step."""
        write_rows(self._file(step), {NAME: theta}, torch.float32, None)

    def newest(self, at_most: int) -> tuple[int, Float[Tensor, " params"]] | None:
        """The last step up to ``at_most`` of which there is θ."""
        steps = [step for step in self._steps() if step <= at_most]
        if not steps:
            return None
        row = StepFile(self._file(max(steps)), self.size, torch.float32).part(NAME, slice(None))
        return max(steps), torch.from_numpy(row)

    def forget_others(self, step: int) -> None:
        """Delete θ of every other step."""
        for other in self._steps():
            if other != step:
                self._file(other).unlink()

    def forget_from(self, step: int) -> None:
        """Delete θ of a step and of later ones."""
        for later in self._steps():
            if later >= step:
                self._file(later).unlink()

    def _steps(self) -> list[int]:
        names = (FILE.fullmatch(file.name) for file in self.path.iterdir())
        return [int(name[1]) for name in names if name]

    def _file(self, step: int) -> Path:
        return self.path / f"{step_name(NAME, step)}.safetensors"
