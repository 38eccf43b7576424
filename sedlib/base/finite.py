"""Refuses values that are not finite by the name of the argument that holds them, before they spread."""

from torch import Tensor


def require_finite(**arguments: Tensor) -> None:
    """Refuse arguments, given by their names, of which a value is NaN or infinite.

    Raises
    ------
    ValueError
        One is; the message names the argument, the value and its place.

    Examples
    --------
    >>> import torch
    >>> require_finite(theta=torch.tensor([1.0, float("inf")]))
    Traceback (most recent call last):
    ValueError: theta: every value must be finite, got inf at [1]
    """
    for name, values in arguments.items():
        values = values.detach()
        if values.sum().isfinite():  # one pass, where the exact test takes several; a sum may overflow
            continue
        if len(places := (~values.isfinite()).nonzero()):
            place = places[0].tolist()
            raise ValueError(f"{name}: every value must be finite, got {float(values[tuple(place)])} at {place}")
