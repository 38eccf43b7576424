"""Scores whose gradient by an embedded input is the centroid of the input.

Shapes: logits are ``[tasks, probes, classes]``, scores and targets ``[tasks, probes]``; outputs of an inner module
``[probes, ...]``, directions in them ``[tasks, ...]``.

Units: those of the logits or outputs. Source: Walker et al., arXiv 2604.11962.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.finite import is_recorded

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
        The logits are not of three axes, or the targets not integers of the first two, or none of the classes.

    Examples
    --------
    >>> logits = torch.tensor([[[1.0, 5.0, 2.0], [4.0, 0.0, 3.0]]])  # one task, two probes, three classes
    >>> logit_scores(logits, torch.tensor([[1, 0]]))
    tensor([[5., 4.]])
    """
    _require_logits(logits)
    if not isinstance(targets, Tensor):
        raise wrong_kind("targets", "a tensor [tasks, probes]", targets, "torch.as_tensor makes one")
    if targets.shape != logits.shape[:2] or targets.dtype not in (torch.int64, torch.int32) or targets.is_meta:
        raise ValueError(
            f"targets: expected integers [tasks, probes] = {list(logits.shape[:2])}, as the logits have them, got "
            f"{list(targets.shape)} of {targets.dtype}{' on the meta device' * targets.is_meta}"
        )
    if not is_recorded(targets) and len(wrong := ((targets < 0) | (targets >= logits.shape[-1])).nonzero()):
        task, probe = wrong[0].tolist()
        raise ValueError(
            f"targets: expected classes 0 … {logits.shape[-1] - 1}, got {int(targets[task, probe])} of probe {probe} "
            f"(task {task}); leave out what is padded or ignored"
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
    >>> full_scores(torch.tensor([[[1.0, 5.0, 2.0], [4.0, 0.0, 3.0]]]))
    tensor([[8., 7.]])
    """
    _require_logits(logits)
    return logits.sum(-1)


def inner_scores(
    outputs: Float[Tensor, "probes ..."], directions: Float[Tensor, "tasks ..."] | None = None
) -> Float[Tensor, "tasks probes"]:
    r"""Scores of an inner module's outputs z: their sum, or their products with directions.

    The gradient of the sum is :math:`c(h) = J_z(h)^\top \mathbf 1`, the centroid of the part of the network from h to
    z; that of the product with a direction d, such as one unit, is :math:`J_z(h)^\top d`, a task for each d. z may have
    several axes (positions, channels), which a direction has too. The sum of what a LayerNorm gives is the same for
    every h as long as its gains are equal, so that its gradient is rounding: read what comes before it, or directions.

    Source: Walker et al., arXiv 2604.11962, and ``InternalModuleWrapper`` in the code that its authors released, which
    takes the sum.

    Raises
    ------
    ValueError
        The outputs are no floating-point tensor with an axis of probes, or a direction is not of the shape of one
        probe's outputs.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 2.0], [5.0, 7.0]])  # two probes, two units
    >>> inner_scores(z), inner_scores(z, directions=torch.tensor([[0.0, 1.0]]))
    (tensor([[ 3., 12.]]), tensor([[2., 7.]]))
    """
    _require_outputs(outputs)
    flat = outputs.flatten(1)
    if directions is None:
        return flat.sum(1)[None]
    if directions.shape[1:] != outputs.shape[1:]:
        raise ValueError(
            f"directions: expected [tasks, *{list(outputs.shape[1:])}], as a probe's outputs are, got "
            f"{list(directions.shape)}"
        )
    return directions.to(outputs).flatten(1) @ flat.T


def _require_logits(logits: object) -> None:
    if not isinstance(logits, Tensor):
        raise wrong_kind("logits", "a tensor [tasks, probes, classes]", logits)
    if not logits.is_floating_point():
        raise ValueError(f"logits: expected real floating-point numbers, got {logits.dtype}")
    if logits.ndim != 3:
        raise ValueError(
            f"logits: expected [tasks, probes, classes], got shape {list(logits.shape)}; of a single task take "
            "logits[None], of logits at several positions choose one first"
        )


def _require_outputs(outputs: object) -> None:
    if not isinstance(outputs, Tensor):
        raise wrong_kind("outputs", "a tensor [probes, ...]", outputs)
    if outputs.ndim < 2 or not outputs.is_floating_point():
        raise ValueError(
            f"outputs: expected real floating-point numbers [probes, ...], got {outputs.dtype} of shape "
            f"{tuple(outputs.shape)}"
        )
