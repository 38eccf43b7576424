"""The whole state of a module in training as a file of safetensors, as ``sedlib.Checkpoints`` reads it."""

from pathlib import Path

from torch import Tensor, nn

from sedlib.base.tensors_to_disk import write_tensors
from sedlib.own.live.processes import Processes
from sedlib.own.live.sharded_rows import whole
from sedlib.own.step_file import step_name


def save_state(folder: Path, step: int, module: nn.Module, processes: Processes) -> None:
    """Write ``step-000000100.safetensors``, of tied weights the first; each process must call it, the first writes."""
    held = {name: value for name, value in module.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    first = {id(value): name for name, value in reversed(held.items())}
    tensors = {name: whole(held[name].detach()) for name in sorted(first.values())}
    with processes.together():
        if processes.is_first:
            separate = {name: value.cpu().contiguous().clone() for name, value in tensors.items()}
            write_tensors(folder / f"{step_name('step', step)}.safetensors", separate)
