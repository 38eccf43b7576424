"""Refuses values that are not finite by the name of the argument that holds them, before they spread."""

import torch
from torch import Tensor


def is_recorded(values: Tensor) -> bool:
    """Whether CUDA is recording what is done to these values: then they cannot be looked at.

    Whoever replays a recording has run the same function before, and looks at what the replay gives.
    """
    return values.is_cuda and torch.cuda.is_current_stream_capturing()


def require_finite(**arguments: Tensor) -> None:
    """Refuse arguments, given by their names, of which a value is NaN or infinite; recorded ones pass.

    Raises
    ------
    ValueError
        One is; the message names the argument, the value and its place.

    Examples
    --------
    >>> require_finite(theta=torch.tensor([1.0, float("inf")]))
    Traceback (most recent call last):
    ValueError: theta: every value must be finite, got inf at [1]
    """
    for name, values in arguments.items():
        values = values.detach()
        if is_recorded(values):
            continue
        if values.sum().isfinite():  # one pass, where the exact test takes several; a sum may overflow
            continue
        if len(places := (~values.isfinite()).nonzero()):
            place = places[0].tolist()
            raise ValueError(f"{name}: every value must be finite, got {float(values[tuple(place)])} at {place}")
