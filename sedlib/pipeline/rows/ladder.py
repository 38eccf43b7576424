r"""The estimator ladder: the rows between a gradient and the motion that AdamW makes of it.

Shapes: rows and moments are ``[params]``, the slots. η is the learning rate, λ the weight decay.
"""

from collections.abc import Mapping
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from sedlib.pipeline.study import AdamW, Examples, Study
from sedlib.vectors import ParamLayout

ADAM_EPSILON = 1e-8  # torch.optim.AdamW's default, which training uses


def clipped_gradient(
    study: Study, network: nn.Module, layout: ParamLayout, batch: Examples, clip_norm: float
) -> Float[Tensor, " params"]:
    """Gradient of the summed losses on a batch as AdamW receives it: clipped by the norm over all parameters."""
    network.zero_grad()
    study.losses(network, batch).sum().backward()
    nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    return layout.flatten({name: cast("Tensor", parameter.grad) for name, parameter in layout.of(network).items()})


def last_step(
    theta: Float[Tensor, " params"],
    moments: Mapping[str, Float[Tensor, " params"]],
    step: int,
    settings: AdamW,
) -> dict[str, Float[Tensor, " params"]]:
    r"""Rungs of the step that led to θ, from the moments m, v that it left.

    - ``momentum``: m;
    - ``adam-direction``: :math:`a = \hat m / (\sqrt{\hat v} + \epsilon)`, with the moments' bias corrected;
    - ``step-without-decay``: :math:`-\eta a`;
    - ``step``: :math:`-\eta a - \eta\lambda\theta'`, where the parameters before the step follow from
      :math:`\theta = (1 - \eta\lambda)\,\theta' - \eta a`.
    """
    beta1, beta2 = settings.betas
    exp_avg, exp_avg_sq = moments["exp_avg"], moments["exp_avg_sq"]
    direction = (exp_avg / (1 - beta1**step)) / ((exp_avg_sq / (1 - beta2**step)).sqrt() + ADAM_EPSILON)
    without_decay = -settings.lr * direction
    before = (theta - without_decay) / (1 - settings.lr * settings.weight_decay)
    return {
        "momentum": exp_avg,
        "adam-direction": direction,
        "step-without-decay": without_decay,
        "step": without_decay - settings.lr * settings.weight_decay * before,
    }


def update_without_decay(
    theta: Float[Tensor, " params"], before: Float[Tensor, " params"], n_steps: int, settings: AdamW
) -> Float[Tensor, " params"]:
    r"""What ``n_steps`` AdamW steps from ``before`` to ``theta`` did, weight decay taken out.

    :math:`\theta - (1 - \eta\lambda)^n \theta'`, which is the sum of the steps' Adam parts, each as far as the decay
    after it has left it.
    """
    return theta - (1 - settings.lr * settings.weight_decay) ** n_steps * before
