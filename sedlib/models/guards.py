"""What must hold of a network and its probes before a number that is read off them means anything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from sedlib.base.errors import listed
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.models.refusals.cut_derivatives import without_derivative
from sedlib.models.separation import SAME
from sedlib.models.tensors import memories, memory

SIXTEEN_BITS = (torch.float16, torch.bfloat16)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


def require_moving_inputs(checkpoint: Checkpoint, probes: Probes) -> None:
    """Refuse an embedding among the slots, which moves h, while h is held.

    Raises
    ------
    ValueError
        There is one; the message names it.
    """
    if probes.embed is None:
        held = [name for name in checkpoint.parameters if _is_embedding(checkpoint.module, name)]
        if held:
            raise ValueError(
                f"slots: {listed(held)} embeds the inputs, but Probes holds the embedded inputs fixed: give embed, the "
                "submodule's name or a function of module and inputs, so that h moves too, or leave the embedding out "
                "of the slots"
            )


def require_every_slot(checkpoint: Checkpoint, probes: Probes) -> None:
    """Refuse slots that do not move the scores.

    Raises
    ------
    ValueError
        There is one; the message names it.
    """
    unreached = checkpoint.unreached(lambda module: probes.scored(module, probes.embedded(module)))
    if unreached:
        cut = without_derivative(checkpoint.module)
        raise ValueError(
            f"slots: the scores do not depend on {listed(unreached)} (of {len(checkpoint.parameters)}), by their "
            "derivatives: leave these out of the slots, or check that scores uses the module that it is given, and "
            "does not detach, round, or read weights that the network kept from an earlier call"
            f"{f' (the quantised {listed(cut)} have no derivative)' if cut else ''}"
        )


def require_any_order(checkpoint: Checkpoint, probes: Probes) -> None:
    """Refuse scores that depend on a probe's place among the others, as chunks of probes change places.

    Raises
    ------
    ValueError
        They do, such as where a mask of all probes is used that is no part of them.
    """

    def scored(some: Probes) -> Tensor:
        return checkpoint.at(lambda module: some.scored(module, some.embedded(module)))().detach()

    first, turned = scored(probes), scored(probes.turned()).flip(1)
    if not (first - turned).abs().max() <= SAME * first.abs().max():
        raise ValueError(
            "scores: they depend on a probe's place among the others, but chunks of probes change places; let what "
            "belongs to one probe (a target, a mask) come with targets, [tasks, probes, ...], not from outside"
        )


def require_input(checkpoint: Checkpoint, probes: Probes) -> None:
    """Refuse scores that do not depend on h: their centroids would be zeros.

    Raises
    ------
    ValueError
        They do not.
    """

    def depends(module: nn.Module) -> bool:
        h = probes.embedded(module).detach().requires_grad_()
        scores = probes.scored(module, h).sum()
        return scores.requires_grad and torch.autograd.grad(scores, h, allow_unused=True)[0] is not None

    if not checkpoint.at(depends)():
        cut = without_derivative(checkpoint.module)
        raise ValueError(
            "scores: they do not depend on the embedded input h, so that there are no centroids: look whether scores "
            "uses h, whether what is read comes after h in the network, and whether something detaches"
            f"{f' (the quantised {listed(cut)} have no derivative)' if cut else ''}"
        )


def _is_embedding(module: nn.Module, name: str) -> bool:
    """Whether a parameter is the table of an embedding, or tied to one."""
    held = memories(module)
    tables = {memory(found.weight) for found in module.modules() if isinstance(found, EMBEDDINGS)}
    return held.get(name) in tables


@contextmanager
def full_precision_inside() -> Iterator[None]:
    """Refuse what is computed in 16 bits inside, such as by an autocast in the network's own forward.

    Raises
    ------
    ValueError
        Something is; the message names the operation.

    Examples
    --------
    >>> with full_precision_inside():
    ...     _ = torch.ones(2).bfloat16()
    Traceback (most recent call last):
    ValueError: the network computes in torch.bfloat16 inside (aten._to_copy.default), ...
    """
    with _SixteenBits():
        yield


class _SixteenBits(TorchDispatchMode):
    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        if isinstance(found, Tensor) and found.dtype in SIXTEEN_BITS:
            raise ValueError(
                f"the network computes in {found.dtype} inside ({function}), although its parameters are wider: the "
                "rounding would count as a response; remove autocast and casts from its forward"
            )
        return found
