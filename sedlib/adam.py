r"""The parts of a step of Adam or AdamW, from the moments after the step.

Shapes: θ, moments and rows are ``[params]``. Units: those of the parameters for steps, of the gradient for momentum;
Adam's direction has none. η is the learning rate, λ the weight decay. Source: Kingma and Ba, arXiv 1412.6980;
Loshchilov and Hutter, arXiv 1711.05101.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-8
"""The default of ``torch.optim``."""


def last_step(
    theta: Float[Tensor, " params"],
    moments: Mapping[str, Float[Tensor, " params"]],
    step: int,
    *,
    lr: float,
    betas: tuple[float, float],
    weight_decay: float = 0.0,
    epsilon: float = EPSILON,
) -> dict[str, Float[Tensor, " params"]]:
    r"""Rungs of the step that led to θ, from the moments m, v (``exp_avg``, ``exp_avg_sq``) that it left.

    - ``momentum``: m;
    - ``adam-direction``: :math:`a = \hat m / (\sqrt{\hat v} + \epsilon)`, with the moments' bias corrected;
    - ``step-without-decay``: :math:`-\eta a`;
    - ``step``: :math:`-\eta a - \eta\lambda\theta'`, where the parameters before the step follow from
      :math:`\theta = (1 - \eta\lambda)\,\theta' - \eta a`.

    ``step`` counts from 1. The weight decay is AdamW's; Adam's, which is in the gradient, is 0 here.

    Examples
    --------
    >>> import torch
    >>> theta, moments = torch.tensor([0.5]), {"exp_avg": torch.tensor([0.5]), "exp_avg_sq": torch.tensor([1.0])}
    >>> rungs = last_step(theta, moments, 1, lr=0.25, betas=(0.5, 0.75), weight_decay=2.0)
    >>> {rung: round(float(row), 6) for rung, row in rungs.items()}
    {'momentum': 0.5, 'adam-direction': 0.5, 'step-without-decay': -0.125, 'step': -0.75}
    """
    beta1, beta2 = betas
    exp_avg, exp_avg_sq = moments["exp_avg"], moments["exp_avg_sq"]
    direction = (exp_avg / (1 - beta1**step)) / ((exp_avg_sq / (1 - beta2**step)).sqrt() + epsilon)
    without_decay = -lr * direction
    before = (theta - without_decay) / (1 - lr * weight_decay)
    return {
        "momentum": exp_avg,
        "adam-direction": direction,
        "step-without-decay": without_decay,
        "step": without_decay - lr * weight_decay * before,
    }


def update_without_decay(
    theta: Float[Tensor, " params"], before: Float[Tensor, " params"], n_steps: int, *, lr: float, weight_decay: float
) -> Float[Tensor, " params"]:
    r"""What ``n_steps`` AdamW steps from ``before`` to ``theta`` did, weight decay taken out.

    :math:`\theta - (1 - \eta\lambda)^n \theta'`, which is the sum of the steps' Adam parts, each multiplied by the
    weight decay of the later steps.

    Examples
    --------
    >>> import torch
    >>> update_without_decay(torch.tensor([3.0]), torch.tensor([4.0]), 2, lr=0.5, weight_decay=1.0)
    tensor([2.])
    """
    return theta - (1 - lr * weight_decay) ** n_steps * before
