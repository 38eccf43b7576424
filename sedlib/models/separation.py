r"""Whether probes are measured one by one: a probe's centroid must not change when the other probes do.

Where scores mix the probes (batch norm on batch statistics, a softmax over the wrong axis, capacities that examples
share), the gradient by all inputs at once is the sum of what each probe's score has to do with each input, and no
centroid. Shapes: as in sedlib.centroids.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.scores import Scores

SAME = 1e-4
"""Length of the difference of two centroids that are the same, relative to the root mean square of all lengths.

Separate probes differ by nothing, or by the rounding of another order of sums; batch norm over 64 of them by percents.
"""


def require_separate(
    scores: Scores, inputs: Float[Tensor, "probes ..."], centroids: Float[Tensor, "tasks probes inputs"]
) -> None:
    r"""Refuse ``scores`` in which probes see one another; ``centroids`` are those of ``inputs``.

    Two tests, as either misses something: with weights :math:`w_x` of 1 and 2, the gradient of
    :math:`\sum_x w_x s(x)` must be :math:`w_x c(x)` at each probe; and the centroids of every other probe must stay
    when the rest are replaced by one of them, which fills whatever has a capacity. A single probe passes.

    Raises
    ------
    ValueError
        Probes see one another; the message names the first one that does.

    Examples
    --------
    >>> inputs = torch.arange(6.0).reshape(3, 2)
    >>> require_separate(lambda h: h.sum(1)[None], inputs, torch.ones(1, 3, 2))
    >>> require_separate(lambda h: (h - h.mean(0)).sum(1)[None], inputs, torch.zeros(1, 3, 2))
    Traceback (most recent call last):
    ValueError: scores: the centroid of probe 0 (task 0) changes with the other probes; ...
    """
    count = len(inputs)
    odd = torch.arange(count, device=inputs.device) % 2 == 1
    weights = torch.where(odd, 2.0, 1.0).to(centroids)  # powers of two: separate probes give the same bits
    _require_same(_gradients(scores, inputs, weights) / weights[:, None], centroids, torch.ones_like(odd))
    for replaced, by in ((odd, inputs[:1]), (~odd, inputs[-1:])):  # all go where one goes
        others = torch.where(replaced.reshape(-1, *[1] * (inputs.ndim - 1)), by, inputs)
        _require_same(_gradients(scores, others, torch.ones_like(weights)), centroids, ~replaced)


def _gradients(
    scores: Scores, inputs: Float[Tensor, "probes ..."], weights: Float[Tensor, " probes"]
) -> Float[Tensor, "tasks probes inputs"]:
    found, pull_back, *_ = torch.func.vjp(scores, inputs)
    tasks = torch.eye(len(found), dtype=found.dtype, device=found.device)
    return torch.stack([pull_back((task[:, None] * weights).contiguous())[0].flatten(1) for task in tasks])


def _require_same(
    found: Float[Tensor, "tasks probes inputs"], centroids: Float[Tensor, "tasks probes inputs"], where: Tensor
) -> None:
    off = torch.linalg.vector_norm((found - centroids).double(), dim=-1)
    usual = torch.linalg.vector_norm(centroids.double(), dim=-1).square().mean(-1, keepdim=True).sqrt()
    usual = torch.maximum(
        usual, torch.linalg.vector_norm(found.double(), dim=-1).square().mean(-1, keepdim=True).sqrt()
    )
    if len(mixed := (~(off <= SAME * usual) & where).nonzero()):
        task, probe = mixed[0].tolist()
        raise ValueError(
            f"scores: the centroid of probe {probe} (task {task}) changes with the other probes; each probe must be "
            "scored on its own: put batch norm in eval, take no softmax or mean over the probes, and let scores be "
            "[tasks, probes] in the order of the inputs"
        )
