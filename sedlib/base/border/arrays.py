"""Checks an array against its annotation: what kind, what dtype, how many axes, and which of them are of one size.

In tests another checker reads the same annotations; users have this one, whose errors name the argument.
"""

from typing import Any

import numpy as np
from torch import Tensor

from sedlib.base.border.kinds import unreadable, wrong_kind

SIXTEEN_BITS = ("float16", "bfloat16")
Sizes = dict[str, tuple[int, str]]
"""Size of each axis by its name, and the argument that has it."""


def require_array(name: str, value: object, annotation: Any, sizes: Sizes, *, may_be_narrow: bool = False) -> None:
    """Refuse what is not as ``annotation`` (of jaxtyping) says; new axes are added to ``sizes``.

    Floating-point numbers of 16 bits are refused, unless they ``may_be_narrow``.

    Raises
    ------
    WrongKindError
        It is no array of that kind.
    ValueError
        Its dtype, its number of axes or a size is another.

    Examples
    --------
    >>> import torch
    >>> from jaxtyping import Float
    >>> require_array("rows", torch.ones(3), Float[Tensor, "rank params"], {})
    Traceback (most recent call last):
    ValueError: rows: expected [rank, params], got shape (3,)
    """
    _require_kind(name, value, annotation)
    array: Any = value
    _require_dtype(name, array, annotation, may_be_narrow=may_be_narrow)
    _require_axes(name, tuple(array.shape), annotation.dim_str.split(), sizes)


def axes(annotation: Any) -> str:
    """The axes of an annotation as messages write them.

    Examples
    --------
    >>> from jaxtyping import Float
    >>> axes(Float[Tensor, "probes ..."])
    '[probes, ...]'
    """
    return f"[{', '.join(annotation.dim_str.split())}]"


def _require_kind(name: str, value: object, annotation: Any) -> None:
    wanted = annotation.array_type
    if not isinstance(value, wanted):
        what = {Tensor: "a tensor", np.ndarray: "a NumPy array"}.get(wanted, wanted.__name__)
        remedies = {Tensor: "torch.as_tensor makes one", np.ndarray: "np.asarray makes one"}
        remedy = remedies.get(wanted, "") if isinstance(value, Tensor | np.ndarray | list | tuple) else ""
        raise wrong_kind(name, f"{what} {axes(annotation)}", value, remedy)
    if isinstance(value, Tensor) and (why := unreadable(value)):
        raise ValueError(f"{name}: expected a dense tensor {axes(annotation)}, got one that is {why}")


def _require_dtype(name: str, value: Any, annotation: Any, *, may_be_narrow: bool) -> None:
    if not isinstance(annotation.dtypes, tuple | list):  # any
        return
    dtype = str(value.dtype).removeprefix("torch.")
    narrow = () if may_be_narrow else SIXTEEN_BITS
    allowed = [each for each in annotation.dtypes if each not in narrow and not each.startswith("float8")]
    if dtype not in allowed:
        what = {"float": "real floating-point numbers", "int": "whole numbers", "bool": "booleans"}
        first = allowed[-1].rstrip("0123456789_")
        named = f" ({allowed[0]})" if len(allowed) == 1 and first != "bool" else ""
        remedy = "; widen them to float32" if dtype in SIXTEEN_BITS else ""
        raise ValueError(f"{name}: expected {what.get(first, 'real numbers')}{named}, got {value.dtype}{remedy}")


def _require_axes(name: str, shape: tuple[int, ...], wanted: list[str], sizes: Sizes) -> None:
    """Sizes of named axes; any number of axes may stand at ``...`` and at a name with a star."""
    shown, several = f"[{', '.join(wanted)}]", [axis for axis in wanted if axis == "..." or axis[0] == "*"]
    place = wanted.index(several[0]) if several else len(wanted)
    behind = len(wanted) - place - 1 if several else 0
    if len(shape) < place + behind or (not several and len(shape) != len(wanted)):
        raise ValueError(f"{name}: expected {shown}, got shape {shape}")
    pairs = [*zip(wanted, shape[:place], strict=False), *zip(wanted[::-1], shape[::-1][:behind], strict=False)]
    for axis, size in pairs:
        if axis.isdigit() and size != int(axis):
            raise ValueError(f"{name}: expected {shown}, got shape {shape}")
        known, of = sizes.setdefault(axis, (size, name))
        if known != size:
            whose = f"as many {axis} as {of} has, {known}" if of != name else f"as many {axis} along each axis"
            raise ValueError(f"{name}: expected {shown} with {whose}, got shape {shape}")
