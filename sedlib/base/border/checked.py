"""Checks the arguments of a public function against its annotations, for users as well as in tests.

A tensor of another size is broadcast by PyTorch, an array of another dtype is cast, a complex one loses its imaginary
part: what is not as the annotation says is refused by name before anything is computed. It costs some microseconds.
"""

import inspect
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sedlib.base.border.arrays import Sizes, require_array
from sedlib.base.border.kinds import wrong_kind

Function = TypeVar("Function", bound=Callable[..., Any])
ABSTRACT = {Callable: "a function", Mapping: "a mapping", Sequence: "a list or a tuple", Iterable: "several of them"}


def checked(*narrow: str, **remedies: str) -> Callable[[Function], Function]:
    """A decorator that refuses arguments which are not as annotated; ``remedies`` say by argument what to do.

    Arrays that may have 16 bits are those named by ``narrow``.

    Examples
    --------
    >>> @checked(rank="choose 3")
    ... def first(rows: list, rank: int) -> list:
    ...     return rows[:rank]
    >>> first([1, 2, 3], 2)
    [1, 2]
    >>> first([1, 2, 3], 2.5)
    Traceback (most recent call last):
    sedlib.base.errors.WrongKindError: rank: expected a whole number, got a float (2.5); choose 3
    """

    def decorated(function: Function) -> Function:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:  # the call says it, with the function's name
                return function(*args, **kwargs)
            sizes: Sizes = {}
            for name, value in given.items():
                hint = _hints(function).get(name, Any)
                _require(name, value, hint, sizes, remedies.get(name, ""), may_be_narrow=name in narrow)
            return function(*args, **kwargs)

        return typing.cast(Function, call)

    return decorated


def require_fields(instance: Any) -> None:
    """Refuse a dataclass whose fields are not as annotated; its ``__post_init__`` calls this.

    Raises
    ------
    ValueError
        One is not; the message names it.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Drawn:
    ...     count: int
    >>> require_fields(Drawn(count="24"))
    Traceback (most recent call last):
    sedlib.base.errors.WrongKindError: count: expected a whole number, got a str ('24')
    """
    sizes: Sizes = {}
    for field in fields(instance):
        if not isinstance(field.type, str):
            _require(field.name, getattr(instance, field.name), field.type, sizes, "", may_be_narrow=True)


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: hint for name, hint in inspect.get_annotations(function).items() if not isinstance(hint, str)}


def _require(name: str, value: object, hint: Any, sizes: Sizes, remedy: str, *, may_be_narrow: bool) -> None:
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        rest = [option for option in options if option is not type(None)]
        if len(rest) == 1 and (value is not None or len(rest) == len(options)):
            _require(name, value, rest[0], sizes, remedy, may_be_narrow=may_be_narrow)
    elif hasattr(hint, "dim_str"):
        require_array(name, value, hint, sizes, may_be_narrow=may_be_narrow)
    elif origin in ABSTRACT:
        one = (str, Tensor, np.ndarray) if origin is Mapping else (str, Tensor, np.ndarray, Mapping)
        is_rows = origin is Iterable and options == (Tensor,) and isinstance(value, Tensor)  # a matrix gives its rows
        if not is_rows and (not isinstance(value, origin) or (origin is not Callable and isinstance(value, one))):
            raise wrong_kind(name, ABSTRACT[origin], value, remedy)
    elif expected := _expected(value, hint):
        raise wrong_kind(name, expected, value, remedy)
    elif is_dataclass(value) and not isinstance(value, type):
        _require_fields(name, value, sizes)


def _expected(value: object, hint: Any) -> str | None:
    """What is expected where a value is not of the class ``hint``."""
    if hint is int:
        return None if isinstance(value, numbers.Integral) and not isinstance(value, bool) else "a whole number"
    if hint is float:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return None if is_number or (isinstance(value, Tensor) and not value.ndim) else "a number"
    if hint is torch.Generator:
        return None if isinstance(value, hint) and value.device.type == "cpu" else _GENERATOR
    is_plain = (
        isinstance(hint, type)
        and hint is not Any
        and not getattr(hint, "_is_protocol", False)
        and typing.get_origin(hint) is None
    )
    if not is_plain or isinstance(value, hint):
        return None
    return "a torch.nn.Module" if hint is nn.Module else f"a {hint.__name__}"


_GENERATOR = "a torch.Generator on the CPU, as sedlib.generator(seed, name) makes one"


def _require_fields(name: str, value: Any, sizes: Sizes) -> None:
    """The axes of the arrays that a dataclass holds are those of the other arguments."""
    for field in fields(value):
        if hasattr(field.type, "dim_str"):
            require_array(f"{name}.{field.name}", getattr(value, field.name), field.type, sizes)
