"""Scores whose gradient by an embedded input is its centroid.

Shapes: logits are ``[tasks, probes, classes]``, scores and targets ``[tasks, probes]``.

Units: those of the logits. Source: Walker et al., arXiv 2604.11962.
"""

from collections.abc import Callable

from jaxtyping import Float, Int64
from torch import Tensor

Scores = Callable[[Tensor], Tensor]
"""Maps inputs ``[probes, ...]`` to scores ``[tasks, probes]``, each input on its own."""


def logit_scores(
    logits: Float[Tensor, "tasks probes classes"], targets: Int64[Tensor, "tasks probes"]
) -> Float[Tensor, "tasks probes"]:
    r"""Logit of the correct answer, :math:`f_{y(x)}(h)`: its gradient is the simplified centroid.

    Source of the simplification: arXiv 2604.25143, equation 1.

    Raises
    ------
    ValueError
        The logits are not of three axes, or the targets not integers of the first two.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[[1.0, 5.0, 2.0], [4.0, 0.0, 3.0]]])  # one task, two probes, three classes
    >>> logit_scores(logits, torch.tensor([[1, 0]]))
    tensor([[5., 4.]])
    """
    _require_logits(logits)
    if targets.shape != logits.shape[:2] or targets.is_floating_point():
        raise ValueError(
            f"targets: expected integers [tasks, probes] = {list(logits.shape[:2])}, as the logits have them, got "
            f"{list(targets.shape)} of {targets.dtype}"
        )
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def full_scores(logits: Float[Tensor, "tasks probes classes"]) -> Float[Tensor, "tasks probes"]:
    r"""Sum of all logits: its gradient is :math:`J_f(h)^\top \mathbf 1`, the centroid of the LCH paper.

    Raises
    ------
    ValueError
        The logits are not of three axes.

    Examples
    --------
    >>> import torch
    >>> full_scores(torch.tensor([[[1.0, 5.0, 2.0], [4.0, 0.0, 3.0]]]))
    tensor([[8., 7.]])
    """
    _require_logits(logits)
    return logits.sum(-1)


def _require_logits(logits: Tensor) -> None:
    if logits.ndim != 3:
        raise ValueError(
            f"logits: expected [tasks, probes, classes], got shape {list(logits.shape)}; of a single task take "
            "logits[None], of logits at several positions choose one first"
        )
