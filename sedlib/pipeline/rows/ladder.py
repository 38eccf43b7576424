"""The first rung of the estimator ladder: the gradient that AdamW makes a step of. ``sedlib.adam`` has the others.

Shapes: a row is ``[params]``, the slots.
"""

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from sedlib.pipeline.study import Examples, Study
from sedlib.vectors import ParamLayout


def clipped_gradient(
    study: Study, network: nn.Module, layout: ParamLayout, batch: Examples, clip_norm: float
) -> Float[Tensor, " params"]:
    """Gradient of the summed losses on a batch as AdamW receives it: clipped by the norm over all parameters."""
    network.zero_grad()
    study.losses(network, batch).sum().backward()
    nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    return layout.flatten({name: cast("Tensor", parameter.grad) for name, parameter in layout.of(network).items()})
