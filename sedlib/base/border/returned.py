"""What a function that a user gives must return: scores of probes, or the loss of an example."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from sedlib.base.border.kinds import kind, wrong_kind
from sedlib.base.errors import WrongKindError


def require_scores(found: Any, count: int, name: str = "scores") -> Tensor:
    """What a function of scores gives, if it is ``[tasks, probes]`` of so many probes.

    Raises
    ------
    WrongKindError
        It is no tensor.
    ValueError
        It is of another shape or dtype.

    Examples
    --------
    >>> import torch
    >>> require_scores(torch.ones(2, 3), 3).shape
    torch.Size([2, 3])
    """
    if not isinstance(found, Tensor):
        inside = "a part of it, such as .logits" if hasattr(found, "logits") or isinstance(found, dict) else ""
        several = "torch.stack makes one of several" if isinstance(found, list | tuple) else ""
        remedy = f"return {inside}" if inside else several
        raise wrong_kind(name, f"a tensor [tasks, {count} probes] of the function", found, remedy)
    if found.ndim != 2 or found.shape[1] != count or not len(found):
        of_one = "; of a single task return it as [None]" if found.shape == (count,) else ""
        turned = "; return its transpose" if found.ndim == 2 and len(found) == count else ""
        raise ValueError(
            f"{name}: expected [tasks, {count} probes], one column for each input, got {found.dtype} of shape "
            f"{tuple(found.shape)}{of_one}{turned}"
        )
    if not found.is_floating_point():
        raise ValueError(
            f"{name}: expected real floating-point numbers, got {found.dtype}: a centroid is their gradient; "
            "return a logit or a probability, not a decision (argmax, comparison)"
        )
    return found


def require_scalar(name: str, loss: object) -> None:
    """Refuse what is no loss that has a gradient.

    Raises
    ------
    WrongKindError
        It is no tensor.
    ValueError
        It is no scalar, or of no real floating-point numbers.

    Examples
    --------
    >>> import torch
    >>> require_scalar("loss", torch.tensor(3))
    Traceback (most recent call last):
    ValueError: loss must be a real floating-point number, got torch.int64: ...
    """
    if not isinstance(loss, Tensor):
        raise WrongKindError(
            f"{name} must be a finite scalar tensor, got {kind(loss)}; return it as computed, without item or numpy"
        )
    if loss.ndim:
        raise ValueError(f"{name} must be a finite scalar, got shape {tuple(loss.shape)}; take its mean or its sum")
    if not loss.is_floating_point():
        raise ValueError(
            f"{name} must be a real floating-point number, got {loss.dtype}: a count or a decision (argmax, "
            "accuracy) has no gradient"
        )


def scalar_loss(loss_at: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, refused where what it gives is not the loss of one example.

    Raises
    ------
    ValueError
        When called: the function gives no real scalar.

    Examples
    --------
    >>> import torch
    >>> float(scalar_loss(lambda theta, x: theta @ x)(torch.ones(2), torch.ones(2)))
    2.0
    """

    def at(theta: Tensor, *example: Tensor) -> Tensor:
        found = loss_at(theta, *example)
        require_scalar("loss_at: the loss of one example", found)
        return found

    return at
