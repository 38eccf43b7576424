"""Centroids at a checkpoint as a function of its slots, checked on a few probes first.

Shapes: θ is ``[params]``, centroids are ``[tasks, probes, inputs]``. Units: as in sedlib.centroids. Source: Walker et
al., arXiv 2604.11962.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.border.kinds import wrong_kind
from sedlib.centroids import centroids
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.full_precision import full_precision
from sedlib.models.guards import (
    full_precision_inside,
    require_any_order,
    require_every_slot,
    require_input,
    require_moving_inputs,
)
from sedlib.models.neighbours import mean_around
from sedlib.models.probes import Probes
from sedlib.models.rounding_noise import require_repeated
from sedlib.models.trials.leftovers import find_leftovers
from sedlib.models.trials.own_eval import find_flags
from sedlib.models.trials.plain_errors import told_plainly
from sedlib.models.trials.purity import require_pure
from sedlib.models.trials.score_derivatives import require_gradients, without_forward_mode

GUARDED = 64
"""Probes on which the function is tried out."""
DIFFERENTIATED = 8
"""Of these, probes on which derivatives are compared with differences."""


class CentroidFunction:
    r"""Centroids :math:`c_\theta(x) = \nabla_h s_\theta(h)` of probes at a checkpoint, as a function of θ.

    The function is checked on a few probes first: the scores must depend on h and on every slot, nothing may be
    computed in 16 bits, a probe's centroid must not depend on the other probes, and the same θ must give identical
    bits. If ``probes.embed`` depends on the slots, h moves with θ; the offsets of its neighbours, ``probes.around``, do
    not.

    Parameters
    ----------
    checkpoint
        The network.
    probes
        Where the centroids are taken.
    chunk
        Probes that are measured at once; fewer take less memory. Default: all.
    check
        Whether the function is checked; False if the same network and probes were checked before.

    Raises
    ------
    ValueError
        One of these does not hold, or the scores are not ``[tasks, probes]``; the message says what to do.

    Examples
    --------
    >>> from sedlib.vectors import ParamLayout
    >>> module = nn.Linear(2, 3, bias=False)
    >>> probes = Probes(torch.ones(4, 2), lambda module, h: module(h).T)  # a task for each output
    >>> centroids_at = CentroidFunction(Checkpoint(module, ParamLayout.select(module, "weight")), probes)
    >>> bool((centroids_at(centroids_at.theta)[:, 0] == module.weight).all())  # a linear network's are its weights
    True
    """

    def __init__(self, checkpoint: Checkpoint, probes: Probes, chunk: int | None = None, *, check: bool = True) -> None:
        if not isinstance(checkpoint, Checkpoint):
            raise wrong_kind("checkpoint", "a Checkpoint", checkpoint, "sedlib.Checkpoint(module, layout) makes one")
        if not isinstance(probes, Probes):
            raise wrong_kind("probes", "Probes", probes, "sedlib.Probes(inputs, scores, …) makes them")
        if not isinstance(chunk, int | None):
            raise wrong_kind("chunk", "a whole number", chunk)
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk: expected at least one probe at once, got {chunk}")
        self.theta = checkpoint.theta
        size = chunk or len(probes)
        with full_precision():
            if check:
                checkpoint = _tried_out(checkpoint, probes.first(GUARDED))
                if size < len(probes):
                    require_any_order(checkpoint, probes.first(min(GUARDED, size)))
            self._tried = (checkpoint, probes.first(DIFFERENTIATED)) if check else None
            self.chunks = [(len(some) / len(probes), _centroids_at(checkpoint, some)) for some in probes.split(size)]
        """Share of the probes, and their centroids as a function of θ."""

    @property
    def without_forward_mode(self) -> str:
        """Why sedlib.jvp does not give this function's response; empty where it does, or where nothing is tried out.

        Examples
        --------
        >>> from sedlib.vectors import ParamLayout
        >>> module = nn.Linear(2, 3, bias=False)
        >>> probes = Probes(torch.ones(4, 2), lambda module, h: (h @ module.weight.T * module.weight.detach()[:, 0]).T)
        >>> at = CentroidFunction(Checkpoint(module, ParamLayout.select(module, "weight")), probes)
        >>> at.without_forward_mode.partition(":")[0]
        'along one direction of the slots forward mode gives the slope ... of the scores, and a difference ...'
        """
        return self._without_forward_mode

    @cached_property
    def _without_forward_mode(self) -> str:
        with full_precision():
            return without_forward_mode(*self._tried) if self._tried else ""

    def __call__(self, theta: Float[Tensor, " params"]) -> Float[Tensor, "tasks probes inputs"]:
        """Centroids of all probes."""
        found = [at(theta) for _, at in self.chunks]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)


def _tried_out(checkpoint: Checkpoint, few: Probes) -> Checkpoint:
    """The checkpoint, to be measured without what the network kept from earlier calls."""

    def scored(module: nn.Module) -> dict[str, Tensor]:
        return {"a score": few.scored(module, few.embedded(module))}

    with told_plainly("scores"):
        checkpoint = checkpoint.changed(find_flags(checkpoint.module))
        checkpoint = checkpoint.changed(find_leftovers(checkpoint, scored))
        require_pure(checkpoint, scored)
        require_moving_inputs(checkpoint, few)
        require_input(checkpoint, few)
        require_every_slot(checkpoint, few)
        theta = checkpoint.theta
        separate = _centroids_at(checkpoint, few, check=True, first=True)(theta)
        with full_precision_inside():
            require_repeated(separate, _centroids_at(checkpoint, few, first=True)(theta))
        require_gradients(checkpoint, few.first(DIFFERENTIATED))
    return checkpoint


def _centroids_at(
    checkpoint: Checkpoint, probes: Probes, *, check: bool = False, first: bool = False
) -> Callable[[Tensor], Tensor]:
    """Centroids of some probes; h is computed once where it does not depend on the slots.

    ``check`` tries out whether probes are separate, ``first`` takes one neighbour alone.
    """
    h = checkpoint.at(probes.embedded, checkpoint.theta.clone().requires_grad_())()
    moves = h.requires_grad

    def at(theta: Float[Tensor, " params"]) -> Float[Tensor, "tasks probes inputs"]:
        def measured(module: nn.Module, at: Tensor) -> Float[Tensor, "tasks probes inputs"]:
            def plain(at: Tensor) -> Float[Tensor, "tasks probes inputs"]:
                return centroids(lambda h: probes.scored(module, h), at, check=check)

            return mean_around(probes.around, plain, at, like=h.detach(), first=first)

        there = checkpoint.at(probes.embedded, theta)() if moves else h
        return checkpoint.at(measured, theta)(there)  # the backward pass inside too: activations may be computed again

    return at
