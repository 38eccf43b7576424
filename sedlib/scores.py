"""Scores whose gradient by an embedded input is its centroid.

Shapes: logits are ``[tasks, probes, classes]``, scores ``[tasks, probes]``. Source: Walker et al., arXiv 2604.11962.
"""

from jaxtyping import Float, Int64
from torch import Tensor


def logit_scores(
    logits: Float[Tensor, "tasks probes classes"], targets: Int64[Tensor, "tasks probes"]
) -> Float[Tensor, "tasks probes"]:
    r"""Logit of the correct answer, :math:`f_{y(x)}(h)`: the paper's simplified centroid."""
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def full_scores(logits: Float[Tensor, "tasks probes classes"]) -> Float[Tensor, "tasks probes"]:
    r"""Sum of all logits: its gradient is :math:`J_f(h)^\top \mathbf 1`, the centroid of the LCH paper."""
    return logits.sum(-1)
