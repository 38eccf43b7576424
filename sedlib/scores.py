"""Scores whose gradient by an embedded input is its centroid.

Shapes: logits are ``[tasks, probes, classes]``, scores and targets ``[tasks, probes]``.

Units: those of the logits. Source: Walker et al., arXiv 2604.11962.
"""

from jaxtyping import Float, Int64
from torch import Tensor


def logit_scores(
    logits: Float[Tensor, "tasks probes classes"], targets: Int64[Tensor, "tasks probes"]
) -> Float[Tensor, "tasks probes"]:
    r"""Logit of the correct answer, :math:`f_{y(x)}(h)`: its gradient is the simplified centroid.

    Source of the simplification: arXiv 2604.25143, equation 1.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[[1.0, 5.0, 2.0], [4.0, 0.0, 3.0]]])  # one task, two probes, three classes
    >>> logit_scores(logits, torch.tensor([[1, 0]]))
    tensor([[5., 4.]])
    """
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def full_scores(logits: Float[Tensor, "tasks probes classes"]) -> Float[Tensor, "tasks probes"]:
    r"""Sum of all logits: its gradient is :math:`J_f(h)^\top \mathbf 1`, the centroid of the LCH paper.

    Examples
    --------
    >>> import torch
    >>> full_scores(torch.tensor([[[1.0, 5.0, 2.0], [4.0, 0.0, 3.0]]]))
    tensor([[8., 7.]])
    """
    return logits.sum(-1)
