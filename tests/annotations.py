"""What checks annotations at every call: beartype, which cannot check that a class follows a protocol."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_origin

from beartype import beartype

Function = TypeVar("Function", bound=Callable[..., Any])


def checked(function: Function) -> Function:
    """Beartype's check; of ``type[P]``, where P is a protocol, it is checked only that a class is given.

    A function inside another would be compiled at every call of that one, a quarter of such tests' time; what calls it
    is checked.
    """
    if "<locals>" in function.__qualname__:
        return function
    hints = function.__annotations__
    function.__annotations__ = {name: type if _is_class_of_protocol(hint) else hint for name, hint in hints.items()}
    return beartype(function)


def _is_class_of_protocol(hint: object) -> bool:
    return get_origin(hint) is type and any(getattr(member, "_is_protocol", False) for member in get_args(hint))
