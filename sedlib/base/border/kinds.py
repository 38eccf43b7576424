"""Refuses an argument of the wrong kind by its name, with what is wanted in its place."""

import inspect
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sedlib.base.errors import WrongKindError, quoted


def kind(value: object) -> str:
    """What a value is, in few words.

    Examples
    --------
    >>> kind(np.ones((2, 3))), kind(nn.Linear), kind([1, 2]), kind(0.5)
    ('a NumPy array of shape (2, 3)', 'the class Linear', 'a list', 'a float (0.5)')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Tensor | np.ndarray):
        what = {Tensor: "a tensor", np.ndarray: "a NumPy array"}.get(type(value), f"a {type(value).__name__}")
        return f"{what} of shape {tuple(value.shape)}"
    short = f" ({quoted(value)})" if isinstance(value, str | numbers.Number) else ""
    return (
        "None" if value is None else f"a{'n' * (type(value).__name__[0] in 'aeioAEIO')} {type(value).__name__}{short}"
    )


def wrong_kind(name: str, expected: str, got: object, remedy: str = "") -> WrongKindError:
    """The error for an argument of the wrong kind.

    Examples
    --------
    >>> wrong_kind("rank", "a whole number", 2.5)
    WrongKindError('rank: expected a whole number, got a float (2.5)')
    """
    return WrongKindError(f"{name}: expected {expected}, got {kind(got)}{f'; {remedy}' if remedy else ''}")


def unreadable(tensor: Tensor) -> str:
    """Why the numbers of a tensor cannot be read as they lie in memory; empty where they can.

    Examples
    --------
    >>> import torch
    >>> unreadable(torch.ones(2)), unreadable(torch.ones(2, device="meta"))
    ('', 'on the meta device, without values')
    """
    if hasattr(tensor, "full_tensor"):
        return "sharded (DTensor): full_tensor() gathers it"
    if tensor.is_meta:
        return "on the meta device, without values"
    if tensor.is_quantized:
        return "quantised: dequantize() widens it"
    return "" if tensor.layout == torch.strided else f"sparse ({tensor.layout}): to_dense() fills it"


def require_module(module: object, name: str = "module") -> None:
    """Refuse what is no network.

    Raises
    ------
    WrongKindError
        It is none.

    Examples
    --------
    >>> require_module(nn.Linear)
    Traceback (most recent call last):
    sedlib.base.errors.WrongKindError: module: expected a torch.nn.Module, got the class Linear; make one of it
    """
    if not isinstance(module, nn.Module):
        remedy = "make one of it" if isinstance(module, type) else ""
        raise wrong_kind(name, "a torch.nn.Module", module, remedy)


def require_function(name: str, function: object, arguments: str) -> None:
    """Refuse what cannot be called with so many arguments, given by their names.

    Raises
    ------
    WrongKindError
        It cannot.

    Examples
    --------
    >>> require_function("scores", lambda h: h, "module, h")
    Traceback (most recent call last):
    sedlib.base.errors.WrongKindError: scores: expected a function of (module, h), got one of (h)
    """
    if not callable(function):
        raise wrong_kind(name, f"a function of ({arguments})", function)
    signature = _signature(function)
    try:
        if signature:
            signature.bind(*arguments.split(", "))
    except TypeError:
        taken = f"({', '.join(signature.parameters)})" if signature else "others"
        raise WrongKindError(f"{name}: expected a function of ({arguments}), got one of {taken}") from None


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        called = function.forward if isinstance(function, nn.Module) else function
        return inspect.signature(called)
    except (TypeError, ValueError):  # written in C
        return None
