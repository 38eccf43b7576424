"""How far one result is from another: the largest difference as a share of the largest entry, part by part."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor


class DifferentKindError(ValueError):
    """A result has other parts or other shapes than the one that is expected."""


def error_of(found: Any, expected: Any) -> float:
    """Largest difference of any part, as a share of the largest entry that is expected in the part.

    Raises
    ------
    DifferentKindError
        The parts or their shapes differ.

    Examples
    --------
    >>> error_of((torch.tensor([1.0, 2.5]), 3), (torch.tensor([1.0, 2.0]), 3))
    0.25
    """
    return max((_error(*pair) for pair in zip_longest(parts(found), parts(expected))), default=0.0)


def same_bits(first: Any, second: Any) -> bool:
    """Whether two results are equal to the bit."""
    return all(
        one is not None and other is not None and one.shape == other.shape and torch.equal(one, other)
        for one, other in zip_longest(parts(first), parts(second))
    )


def parts(result: Any) -> Iterator[Tensor]:
    """The tensors in a result, in its order, in float64 on the CPU."""
    if isinstance(result, Mapping):
        result = list(result.values())
    elif is_dataclass(result):
        result = [getattr(result, field.name) for field in fields(result)]
    if isinstance(result, list | tuple | range):
        for part in result:
            yield from parts(part)
    elif isinstance(result, Tensor):
        yield result.detach().to("cpu").double()
    elif result is not None:
        yield torch.from_numpy(np.asarray(result, dtype=np.float64))


def _error(found: Tensor | None, expected: Tensor | None) -> float:
    if found is None or expected is None or found.shape != expected.shape:
        shapes = ["nothing" if part is None else f"shape {tuple(part.shape)}" for part in (expected, found)]
        raise DifferentKindError(f"expected {shapes[0]}, got {shapes[1]}")
    if not expected.numel():
        return 0.0
    difference = float((found - expected).abs().max())
    if difference == 0:
        return 0.0
    scale = float(expected.abs().max())
    share = difference / scale if scale else math.inf
    return share if math.isfinite(share) else math.inf
