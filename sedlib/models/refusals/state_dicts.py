"""Tells a state dict from what it is mistaken for: a path, a module, a trainer's checkpoint, an optimizer's state."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from sedlib.base.border.kinds import kind, wrong_kind
from sedlib.base.errors import listed, quoted

DEEPEST = 3
"""How far down in a trainer's checkpoint the weights are looked for."""


def require_state_dict(state: Any) -> None:
    """Refuse what is no mapping of names to tensors.

    Raises
    ------
    WrongKindError
        It is no mapping.
    ValueError
        It is one of other things; where weights are inside, the message says where.

    Examples
    --------
    >>> require_state_dict({"step": 3, "model": dict(nn.Linear(1, 1).state_dict())})
    Traceback (most recent call last):
    ValueError: state: expected a state dict of tensors, got a trainer's checkpoint with 'step', 'model'; ...
    """
    if not isinstance(state, Mapping):
        remedy = (
            "give its state_dict()"
            if isinstance(state, nn.Module)
            else "load a file first: torch.load(path, weights_only=True)"
        )
        raise wrong_kind("state", "a state dict of tensors", state, remedy)
    for path, inside in _mappings(state, "checkpoint", DEEPEST):
        if inside and any(isinstance(value, Tensor) for value in inside.values()):
            raise ValueError(
                f"state: expected a state dict of tensors, got a trainer's checkpoint with {listed(state)}; "
                f"give the part of it that holds the weights, such as {path}"
            )
    for name, value in state.items():
        if not isinstance(name, str):
            raise ValueError(f"state: expected names as texts, got {kind(name)}; is it a list of tensors?")
        if not isinstance(value, Tensor) and not name.endswith("_extra_state"):
            hint = "; torch.as_tensor makes one of it" if hasattr(value, "__array__") or isinstance(value, list) else ""
            what = "; is this the state of an optimizer?" if {"state", "param_groups"} <= state.keys() else hint
            raise ValueError(f"state: expected a tensor for {quoted(name)}, got {type(value).__name__}{what}")


def _mappings(state: Mapping[Any, Any], path: str, depth: int) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Mappings inside, with how they are reached; an optimizer's are left out."""
    inside = {name: value for name, value in state.items() if isinstance(value, Mapping) and "optim" not in str(name)}
    for name, value in inside.items() if "param_groups" not in state else ():
        yield f"{path}[{quoted(name)}]", value
        if depth > 1:
            yield from _mappings(value, f"{path}[{quoted(name)}]", depth - 1)
