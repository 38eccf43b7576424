"""Whether a loss of one example depends on θ, as autograd tells."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.models.trials.derivatives import backward_error, warn_of_slopes

TRIED_OUT = 8
"""Examples on which a loss is tried out."""


def require_dependence(
    loss_at: Callable[..., Tensor], theta: Float[Tensor, " params"], examples: Sequence[Tensor]
) -> None:
    """Refuse a loss that does not depend on θ, and warn where autograd gives another slope than a difference.

    Raises
    ------
    ValueError
        It does not depend on θ.

    Examples
    --------
    >>> module = torch.nn.Linear(2, 1)
    >>> require_dependence(lambda theta, x: module(x).sum(), torch.zeros(3), [torch.ones(3, 2)])
    Traceback (most recent call last):
    ValueError: loss_at: it does not depend on theta; let it call checkpoint.at(function, theta), ...
    """
    losses = torch.func.vmap(loss_at, in_dims=(None, *[0] * len(examples)))
    some = [part[:TRIED_OUT] for part in examples]

    def values(at: Tensor, finish: Callable[[Tensor], Any]) -> Any:
        return finish(losses(at, *some))

    leaf = theta.detach().clone().requires_grad_()
    found = losses(leaf, *some).sum()
    if not found.requires_grad or torch.autograd.grad(found, leaf, allow_unused=True)[0] is None:
        raise ValueError(
            "loss_at: it does not depend on theta; let it call checkpoint.at(function, theta), and function the module "
            "that it is given"
        )
    if (off := backward_error(values, theta)) is not None:
        warn_of_slopes("loss_at", off)
