r"""The estimator ladder: the rows between a gradient and the motion that AdamW makes of it.

Shapes: rows and moments are ``[params]``, the attention slots. η is the learning rate, λ the weight decay.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment, OptimizerParams
from sedlib.vectors import ParamLayout

ADAM_EPSILON = 1e-8  # torch.optim.AdamW's default, which training uses


def next_batches(experiment: Experiment, n_train: int, steps: Sequence[int]) -> Iterator[Int64[Tensor, " batch"]]:
    """The batch of the step that training takes after each of ``steps``, as indices into the training pairs.

    The draws of training are repeated from the run's seed, so nothing has to be recorded for them.
    """
    batches = generator(experiment.run.seed, "batches")
    drawn = 0
    for step in steps:
        while drawn <= step:
            batch = torch.randint(n_train, (experiment.optimizer.batch_size,), generator=batches)
            drawn += 1
        yield batch


def clipped_gradient(
    model: GrokkingTransformer,
    layout: ParamLayout,
    pairs: Int64[Tensor, "batch 2"],
    answers: Int64[Tensor, "tasks batch"],
    clip_norm: float,
) -> Float[Tensor, " params"]:
    """Gradient of the summed losses on a batch as AdamW receives it: clipped by the norm over all parameters."""
    model.zero_grad()
    task_losses(model, pairs, answers).sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    return layout.flatten({name: cast("Tensor", parameter.grad) for name, parameter in layout.of(model).items()})


def last_step(
    theta: Float[Tensor, " params"],
    exp_avg: Float[Tensor, " params"],
    exp_avg_sq: Float[Tensor, " params"],
    step: int,
    settings: OptimizerParams,
) -> dict[str, Float[Tensor, " params"]]:
    r"""Rungs of the step that led to θ, from the moments m, v that it left.

    - ``momentum``: m;
    - ``adam-direction``: :math:`a = \hat m / (\sqrt{\hat v} + \epsilon)`, with the moments' bias corrected;
    - ``step-without-decay``: :math:`-\eta a`;
    - ``step``: :math:`-\eta a - \eta\lambda\theta'`, where the parameters before the step follow from
      :math:`\theta = (1 - \eta\lambda)\,\theta' - \eta a`.
    """
    beta1, beta2 = settings.betas
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
    theta: Float[Tensor, " params"], before: Float[Tensor, " params"], n_steps: int, settings: OptimizerParams
) -> Float[Tensor, " params"]:
    r"""What ``n_steps`` AdamW steps from ``before`` to ``theta`` did, weight decay taken out.

    :math:`\theta - (1 - \eta\lambda)^n \theta'`, which is the sum of the steps' Adam parts, each as far as the decay
    after it has left it.
    """
    return theta - (1 - settings.lr * settings.weight_decay) ** n_steps * before
