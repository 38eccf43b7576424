"""A checkpoint's tensors, checked against the module that they are for.

What a state dict does not have by PyTorch's own convention (buffers that are not persistent, such as masks) is taken
from the module as it is, and named.
"""

from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from sedlib.base.errors import listed, quoted
from sedlib.base.finite import require_finite
from sedlib.models.refusals.state_dicts import require_state_dict
from sedlib.models.tensors import memory, places

WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
"""In what 16-bit tensors are measured."""


def whole_state(module: nn.Module, state: Mapping[str, Any] | None = None) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Copies of all tensors by place, and the names of those that came from the module because ``state`` has none.

    Without a ``state`` all are the module's own, and no name is given. Tensors of 16 bits come in float32.

    Raises
    ------
    ValueError
        ``state`` lacks a tensor, has one that the module does not, or has it in another shape; it is a trainer's
        dictionary around one; or a tensor is not dense, not here in memory, quantised, or a parameter is not finite; or
        tied weights differ.
    """
    held = places(module)
    chosen = dict(held)
    if state is not None:
        require_state_dict(state)
        chosen |= _matched(module, held, state)
    live = tuple(name for name, tensor in held.items() if state is not None and chosen[name] is tensor)
    return {name: _copied(name, tensor, held[name]) for name, tensor in chosen.items()}, live


def _matched(module: nn.Module, held: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state's tensors by place."""
    known = module.state_dict(keep_vars=True)
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if missing := [name for name in known if isinstance(known[name], Tensor) and name not in tensors]:
        missing = [name for name in missing if not _elsewhere(known[name], known, tensors)]
    if missing:
        raise ValueError(
            f"state: {len(missing):,} of {len(known):,} tensors are missing: {listed(missing)}"
            f"{_where(missing, tensors)}"
        )
    known |= {name: held[name] for name in tensors if name in held}  # what was persistent once, as masks of GPT-2
    if unknown := [name for name in tensors if name not in known]:
        raise ValueError(
            f"state: {len(unknown):,} of its tensors {type(module).__name__} does not have: {listed(unknown)}; "
            "is it of another model, or under a prefix?"
        )
    by_memory: dict[Hashable, tuple[str, Tensor]] = {}
    for name, value in tensors.items():
        first, other = by_memory.setdefault(memory(known[name]), (name, value))
        if other is not value and not torch.equal(other, value):
            raise ValueError(
                f"state: {quoted(first)} and {quoted(name)} are tied in {type(module).__name__}, but differ here"
            )
    return {name: by_memory[memory(tensor)][1] for name, tensor in held.items() if memory(tensor) in by_memory}


def _where(missing: list[str], tensors: Mapping[str, Tensor]) -> str:
    """Under which prefix the missing names are, on this side or that; else the nearest name."""
    name = missing[0]
    longer = [found for found in tensors if found.endswith(f".{name}")]
    shorter = [found for found in tensors if name.endswith(f".{found}")]
    if longer and all(f"{longer[0].removesuffix(name)}{each}" in tensors for each in missing):
        prefix = longer[0].removesuffix(name)
        return (
            f"; is it {quoted(longer[0])}? The state has all under the prefix {quoted(prefix)}: give "
            "{name.removeprefix(prefix): value for name, value in state.items()}"
        )
    if shorter:
        prefix = name.removesuffix(shorter[0])
        return f"; is it {quoted(shorter[0])}? The module is wrapped under {quoted(prefix)}: give what it wraps"
    near = get_close_matches(name, [found for found in tensors if len(found) < 2 * len(name) + 20], n=1, cutoff=0.5)
    return f"; is it {quoted(near[0])}?" if near else "; is it the state of another model?"


def _elsewhere(tensor: Tensor, known: Mapping[str, Any], state: Mapping[str, Tensor]) -> bool:
    """Whether the state has the tensor under another of its names: files of tied weights hold them once."""
    return any(memory(known[name]) == memory(tensor) for name in state if isinstance(known.get(name), Tensor))


def _copied(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    if any(isinstance(one, UninitializedBuffer | UninitializedParameter) for one in (like, tensor)):
        raise ValueError(f"{quoted(name)} has no size yet; run its lazy module once before it is measured")
    if tensor.shape != like.shape:
        raise ValueError(f"state: {quoted(name)}: expected shape {tuple(like.shape)}, got {tuple(tensor.shape)}")
    if hasattr(tensor, "full_tensor"):
        raise ValueError(
            f"{quoted(name)} is sharded (DTensor, as FSDP2 makes them): a measurement needs all of it in one process: "
            "torch.distributed.checkpoint.state_dict.get_model_state_dict with full_state_dict=True gathers it"
        )
    if tensor.is_meta:
        raise ValueError(f"{quoted(name)} is on the meta device and has no values; load the checkpoint first")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ValueError(f"{quoted(name)}: expected a dense tensor, got layout {tensor.layout} of {tensor.dtype}")
    if like.is_floating_point() and not tensor.is_floating_point():
        raise ValueError(
            f"state: {quoted(name)}: expected floating-point numbers as the module has, got {tensor.dtype}"
        )
    copied = tensor.detach().to(like.device, WIDER.get(tensor.dtype), copy=True)
    if isinstance(like, nn.Parameter):  # a buffer may be a mask of minus infinities
        require_finite(**{name: copied})
    return copied
