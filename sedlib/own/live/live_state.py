"""The whole state of a module in training as a file of safetensors, as ``sedlib.Checkpoints`` reads it.

A state is written after the rows of its step, so that each state has rows: states without rows are of another run.
"""

import re
from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn

from sedlib.base.errors import UserError
from sedlib.base.tensors_to_disk import write_tensors
from sedlib.own.live.processes import Processes
from sedlib.own.live.sharded_rows import whole
from sedlib.own.step_file import DIGITS, step_name

FILE = re.compile(rf"step-({DIGITS})\.safetensors")


def save_state(folder: Path, step: int, module: nn.Module, processes: Processes, *, keeps: bool = False) -> None:
    """Write ``step-000000100.safetensors``, of tied weights the first; each process must call it, the first writes.

    With ``keeps`` a state that is there stays.
    """
    held = {name: value for name, value in module.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    first = {id(value): name for name, value in reversed(held.items())}
    tensors = {name: whole(held[name].detach()) for name in sorted(first.values())}
    with processes.together():
        if processes.is_first and not (keeps and _file(folder, step).exists()):
            separate = {name: value.cpu().contiguous().clone() for name, value in tensors.items()}
            write_tensors(_file(folder, step), separate)


def require_own_states(folder: Path, rows: Path, steps: Collection[int]) -> None:
    """Refuse a folder of rows, and states of a run that has no rows here.

    Raises
    ------
    UserError
        It is one, or has such states.

    Examples
    --------
    >>> import tempfile
    >>> (folder := Path(tempfile.mkdtemp())).joinpath("step-000000010.safetensors").touch()
    >>> require_own_states(folder, Path("rows"), [])
    Traceback (most recent call last):
    sedlib.base.errors.UserError: states: ... has a state of step 10, and rows no rows: it is of another run; ...
    """
    if (folder / "about.json").exists():
        raise UserError(f"states: expected a folder of states, or a new one, got {folder}, which has rows")
    if (others := _steps(folder)) and not steps:
        raise UserError(
            f"states: {folder} has a state of step {others[0]:,}, and {rows} no rows: it is of another run; choose "
            "another folder, or delete that one"
        )


def drop_states_from(folder: Path, step: int) -> None:
    """Delete the states of a step and of later ones."""
    for later in _steps(folder):
        if later >= step:
            _file(folder, later).unlink()


def _steps(folder: Path) -> list[int]:
    names = (FILE.fullmatch(file.name) for file in (folder.iterdir() if folder.is_dir() else ()))
    return sorted(int(name[1]) for name in names if name)


def _file(folder: Path, step: int) -> Path:
    return folder / f"{step_name('step', step)}.safetensors"
