"""The network of a run inside its wrappers, and its slots, however they are chosen."""

from typing import cast

from torch import nn
from torch.nn.parameter import UninitializedParameter

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import UserError, listed
from sedlib.models.tensors import places
from sedlib.vectors import ParamLayout


def slots_of(module: nn.Module, slots: ParamLayout | str | None = None) -> ParamLayout:
    """A layout as it is, the attention slots for ``"attention"`` or None, or the parameters of a glob.

    Raises
    ------
    UserError
        A parameter has no size yet.
    WrongKindError
        ``slots`` is none of these.
    ValueError
        The module has no such slots.

    Examples
    --------
    >>> slots_of(nn.Linear(3, 2), "weight").sizes
    (6,)
    >>> slots_of(nn.LazyLinear(2), "weight")
    Traceback (most recent call last):
    sedlib.base.errors.UserError: module: 'weight', 'bias' have no size yet; run the module once on a batch, ...
    """
    lazy = [name for name, value in module.named_parameters() if isinstance(value, UninitializedParameter)]
    if lazy:
        raise UserError(
            f"module: {listed(lazy)} have no size yet; run the module once on a batch, as its lazy layers take their "
            "sizes from it"
        )
    if isinstance(slots, ParamLayout):
        return slots
    if slots is None or slots == "attention":
        return ParamLayout.attention(module)
    if not isinstance(slots, str):
        remedy = "ParamLayout.select(module, *globs) takes several globs" if isinstance(slots, list | tuple) else ""
        raise wrong_kind("slots", "'attention', a glob or a ParamLayout", slots, remedy)
    return ParamLayout.select(module, slots)


def require_values(module: nn.Module) -> None:
    """Refuse a module without memory, beside which no state can be laid.

    Raises
    ------
    UserError
        A tensor is on the meta device.

    Examples
    --------
    >>> require_values(nn.Linear(1, 1, device="meta"))
    Traceback (most recent call last):
    sedlib.base.errors.UserError: module: 'weight', 'bias' on the meta device, without values: build it outside of ...
    """
    if empty := [name for name, tensor in places(module).items() if tensor.is_meta]:
        raise UserError(
            f"module: {listed(empty)} on the meta device, without values: build it outside of torch.device('meta'); "
            "the values do not matter"
        )


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside DataParallel, DistributedDataParallel and ``torch.compile``.

    Raises
    ------
    UserError
        It is inside the first version of FSDP, which flattens parameters.
    """
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(module, "_orig_mod"):
        module = cast(nn.Module, module._orig_mod if hasattr(module, "_orig_mod") else module.module)
    if any(type(found).__name__ == "FullyShardedDataParallel" for found in module.modules()):
        raise UserError(
            "module: FullyShardedDataParallel (FSDP1) flattens parameters, so slots have no place in it; use "
            "torch.distributed.fsdp.fully_shard (FSDP2)"
        )
    return module
