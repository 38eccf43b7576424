"""Gradients of a module whose parameters FSDP2 shards: each process has a part of every parameter, and of the batches.

The module itself is run forward and backward, once for each task, as its hooks gather and spread what they must. It
computes as its MixedPrecisionPolicy says. What training has in ``.grad`` is put aside for that time.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from sedlib.base.errors import UserError, listed
from sedlib.models.gradient_sums import CUT, GradientSum, Losses, arguments_of, loss_pairs, require_repeated
from sedlib.models.measuring import measuring
from sedlib.own.live.processes import Processes
from sedlib.vectors import ParamLayout

Gradients = dict[str, Tensor]


def is_sharded(module: nn.Module) -> bool:
    """Whether a parameter is a DTensor, as ``fully_shard`` makes them."""
    return any(hasattr(parameter, "full_tensor") for parameter in module.parameters())


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, gathered from the processes where it is sharded; each process must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def slot_parameters(module: nn.Module, layout: ParamLayout) -> dict[str, nn.Parameter]:
    """The parameters of which a layout's slots are made."""
    held = dict(module.named_parameters(remove_duplicate=False))
    return {name: held[name] for name in layout.needs if name in held}


def whole_theta(module: nn.Module, layout: ParamLayout) -> Float[Tensor, " params"]:
    """The slots, gathered; each process must call it."""
    with torch.no_grad():
        return layout.flatten({name: whole(value) for name, value in slot_parameters(module, layout).items()})


def sharded_sums(
    losses: Losses, module: nn.Module, layout: ParamLayout, batches: Any, processes: Processes, *, check: bool
) -> dict[str, GradientSum]:
    """Each task's gradient, summed over the batches of all processes.

    Raises
    ------
    ValueError
        As ``task_gradients`` does.
    UserError
        The module is sharded over a part of the processes, or adds gradients up in a way of its own; a process has no
        batch; or its tasks are other ones.
    """
    _require_known_sharding(module, processes)
    shards: dict[str, Gradients] = {}
    counts: dict[str, float] = {}
    parameters = slot_parameters(module, layout)
    with measuring(module), _put_aside(module, parameters):
        for arguments, is_own in _in_step(batches, processes):
            check_now = check and not shards
            for task, count, found in _backward(losses, module, parameters, arguments, processes, is_own, check_now):
                known = shards.setdefault(task, {})
                counts[task] = counts.get(task, 0.0) + count
                for name, gradient in found.items():
                    known[name] = known[name] + gradient if name in known else gradient
    everywhere = processes.gathered(counts)
    return {
        task: GradientSum(_row(module, layout, gradients, processes), sum(own[task] for own in everywhere))
        for task, gradients in shards.items()
    }


def _backward(
    losses: Losses,
    module: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    arguments: tuple[Any, ...],
    processes: Processes,
    is_own: bool,
    check: bool,
) -> Iterator[tuple[str, float, Gradients]]:
    """A forward and a backward pass for each task: FSDP2 promises no second backward pass through one forward."""

    def pairs() -> dict[str, tuple[Tensor, float]]:
        return loss_pairs(losses(module, *arguments), by_count=bool(arguments), refuse_broken=False)

    with processes.together(), torch.no_grad():
        tasks = list(first := pairs())
        if check:
            require_repeated(first, pairs())
    if any(others != tasks for others in processes.gathered(tasks)):
        raise UserError(f"losses: expected the same tasks in every process, got {processes.gathered(tasks)}")
    for task in tasks:
        loss, count = pairs()[task]
        with processes.together():
            if not loss.requires_grad:
                raise ValueError(f"the loss of task {task!r} cannot be differentiated; {CUT}")
        (loss * is_own).backward()  # what this gives is already a sum over the processes
        found = {name: value.grad.clone() for name, value in parameters.items() if value.grad is not None}
        with processes.together():
            if not found:
                raise ValueError(
                    f"the loss of task {task!r} has no gradient in: {listed(list(parameters))}; choose slots that it "
                    "depends on, or record after the optimizer's step, while gradients are synchronised"
                )
        module.zero_grad(set_to_none=True)
        yield task, count * is_own, found


def _in_step(batches: Any, processes: Processes) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Arguments of the losses, as often in each process: one without a further batch repeats its last for nothing."""
    own = iter(arguments_of(batches))
    arguments = next(own, None)
    with processes.together():
        if arguments is None:
            raise UserError("batches: expected one or more in each process, as all run a sharded module in step")
    further: tuple[Any, ...] | None = arguments
    while any(processes.gathered(further is not None)):
        arguments = arguments if further is None else further
        assert arguments is not None
        yield arguments, further is not None
        further = next(own, None)


def _row(
    module: nn.Module, layout: ParamLayout, gradients: Gradients, processes: Processes
) -> Float[Tensor, " params"]:
    """The gradient in θ: that of the whole parameters, through the places that the slots have in them."""
    with torch.no_grad():
        values = {name: whole(value).detach() for name, value in slot_parameters(module, layout).items()}
        summed = {name: _summed(gradient, processes) for name, gradient in gradients.items()}
    placed, pull_back, *_ = torch.func.vjp(lambda theta: layout.placed(theta, values), layout.flatten(values))
    (row,) = pull_back({name: summed.get(name, torch.zeros_like(value)) for name, value in placed.items()})
    return row.float() if row.dtype in (torch.float16, torch.bfloat16) else row


def _summed(gradient: Tensor, processes: Processes) -> Tensor:
    if hasattr(gradient, "full_tensor"):
        return whole(gradient) * processes.size  # FSDP2 takes means over the processes
    distributed.all_reduce(gradient)
    return gradient


@contextmanager
def _put_aside(module: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    kept = [(parameter, parameter.grad, parameter.requires_grad) for parameter in module.parameters()]
    try:
        for parameter, _, _ in kept:
            parameter.grad = None
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter, gradient, required in kept:
            parameter.requires_grad_(required)
            parameter.grad = gradient


def _require_known_sharding(module: nn.Module, processes: Processes) -> None:
    for name, parameter in module.named_parameters():
        over = parameter.device_mesh.size() if hasattr(parameter, "device_mesh") else processes.size
        if over != processes.size:
            raise UserError(
                f"{name!r} is sharded over {over} of {processes.size} processes: expected all of them, as "
                "fully_shard does it; other ways to share a module are not supported"
            )
    groups = (getattr(found._get_fsdp_state(), "_fsdp_param_group", None) for found in _sharding(module))
    if any(getattr(group, "gradient_divide_factor", None) is not None for group in groups):
        raise UserError("set_gradient_divide_factor: expected the mean over processes, which FSDP2 takes by itself")


def _sharding(module: nn.Module) -> list[Any]:
    return [found for found in module.modules() if hasattr(found, "_get_fsdp_state")]
