"""Inputs of a module for several probes: one tensor, or arguments by name of which the tensors are of all probes."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
from torch import Tensor

from sedlib.base.border.kinds import unreadable, wrong_kind
from sedlib.base.errors import quoted
from sedlib.models.submodules import Inputs


def probe_count(inputs: Inputs) -> int:
    """Number of probes that inputs are of.

    Raises
    ------
    ValueError
        There is none, or tensors are of different numbers; or the inputs are no tensors, or have no values.

    Examples
    --------
    >>> import torch
    >>> probe_count({"input_ids": torch.ones(8, 5), "attention_mask": torch.ones(8, 5), "use_cache": False})
    8
    """
    if not isinstance(inputs, Mapping):
        require_values("inputs", inputs)
    tensors = inputs if isinstance(inputs, Mapping) else {"inputs": inputs}
    for name, value in tensors.items():
        if isinstance(value, np.ndarray):
            require_values(f"inputs[{quoted(name)}]", value)
    counts = {name: len(value) if value.ndim else 0 for name, value in tensors.items() if isinstance(value, Tensor)}
    if not any(counts.values()):
        shapes = [tuple(value.shape) for value in tensors.values() if isinstance(value, Tensor)]
        raise ValueError(f"inputs: expected at least one probe, got none: tensors of shapes {shapes}")
    first, count = next(iter(counts.items()))
    if other := next((name for name in counts if counts[name] != count), None):
        raise ValueError(
            f"inputs: expected tensors of as many probes each, got {count} in {quoted(first)} and {counts[other]} in "
            f"{quoted(other)}; expand what all probes share"
        )
    return count


def require_values(name: str, value: object) -> None:
    """Refuse what is no tensor with values.

    Raises
    ------
    WrongKindError
        It is no tensor.
    ValueError
        It is sharded, sparse, quantised or on the meta device.

    Examples
    --------
    >>> require_values("targets", [1, 2])
    Traceback (most recent call last):
    sedlib.base.errors.WrongKindError: targets: expected a tensor, got a list; torch.as_tensor makes one
    """
    if not isinstance(value, Tensor):
        remedy = "are scores and targets in each other's place?" if callable(value) else "torch.as_tensor makes one"
        raise wrong_kind(name, "a tensor", value, remedy)
    if why := unreadable(value):
        raise ValueError(f"{name}: expected a dense tensor, got one that is {why}")


def some_inputs(inputs: Inputs, probes: slice | Tensor) -> Inputs:
    """Inputs of some of the probes.

    Examples
    --------
    >>> import torch
    >>> some_inputs({"input_ids": torch.tensor([[1], [2], [3]]), "use_cache": False}, slice(1, 2))
    {'input_ids': tensor([[2]]), 'use_cache': False}
    """
    if isinstance(inputs, Tensor):
        return inputs[probes]
    return {name: value[probes] if isinstance(value, Tensor) else value for name, value in inputs.items()}


def copied_inputs(inputs: Inputs) -> Inputs:
    """A copy, which a network may write to.

    Examples
    --------
    >>> import torch
    >>> inputs = torch.ones(2)
    >>> copied_inputs(inputs).zero_(), inputs
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    if isinstance(inputs, Tensor):
        return inputs.clone()
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in inputs.items()}


def require_taken(scores: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Refuse a function of scores that cannot be called with the arguments.

    Raises
    ------
    ValueError
        It cannot; the message says which it gets, and when it gets others.

    Examples
    --------
    >>> require_taken(lambda module, h: h, ["output"])
    Traceback (most recent call last):
    ValueError: scores: expected a function of (output): missing a required argument: 'h'; ...
    """
    if not callable(scores):
        raise wrong_kind("scores", f"a function of ({', '.join(arguments)})", scores)
    try:
        signature(scores).bind(*arguments)
    except TypeError as error:
        raise ValueError(
            f"scores: expected a function of ({', '.join(arguments)}): {error}; scores gets the module and h where "
            "neither embed nor read is a name, else the output, and targets where they are given"
        ) from None
    except ValueError:  # a function in C may not tell what it takes
        return
