"""Inputs of a module for several probes: one tensor, or arguments by name of which the tensors are of all probes."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

from torch import Tensor

from sedlib.base.errors import quoted
from sedlib.models.submodules import Inputs


def probe_count(inputs: Inputs) -> int:
    """Number of probes that inputs are of.

    Raises
    ------
    ValueError
        There is none, or tensors are of different numbers.

    Examples
    --------
    >>> import torch
    >>> probe_count({"input_ids": torch.ones(8, 5), "attention_mask": torch.ones(8, 5), "use_cache": False})
    8
    """
    tensors = inputs if isinstance(inputs, Mapping) else {"inputs": inputs}
    counts = {name: len(value) if value.ndim else 0 for name, value in tensors.items() if isinstance(value, Tensor)}
    if not any(counts.values()):
        raise ValueError("inputs: expected at least one probe, got none")
    first, count = next(iter(counts.items()))
    if other := next((name for name in counts if counts[name] != count), None):
        raise ValueError(
            f"inputs: expected tensors of as many probes each, got {count} in {quoted(first)} and {counts[other]} in "
            f"{quoted(other)}; expand what all probes share"
        )
    return count


def some_inputs(inputs: Inputs, probes: slice | Tensor) -> Inputs:
    """Those of some of the probes.

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
    try:
        signature(scores).bind(*arguments)
    except TypeError as error:
        raise ValueError(
            f"scores: expected a function of ({', '.join(arguments)}): {error}; scores gets the module and h where "
            "neither embed nor read is a name, else the output, and targets where they are given"
        ) from None
    except ValueError:  # a function in C may not tell what it takes
        return
