"""Inputs at which centroids are taken, and what is read off the network there.

Shapes: inputs are ``[probes, ...]``, the embedded input h ``[probes, ...]``, targets ``[tasks, probes, ...]``, scores
``[tasks, probes]``.

Units: those of the embedding and of the network's scores. Source: Walker et al., arXiv 2604.11962.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn


@dataclass(frozen=True)
class Probes:
    """Probes with their scores, whose gradient by h is the centroid.

    Raises
    ------
    ValueError
        There is no probe, or the targets are not of as many.

    Examples
    --------
    >>> embedding = nn.Embedding.from_pretrained(torch.eye(3))
    >>> probes = Probes(
    ...     inputs=torch.tensor([[1, 2], [0, 0]]),
    ...     scores=lambda module, h, targets: (h[:, 0] * targets[0]).sum(-1)[None],
    ...     targets=torch.tensor([[[0.0, 7.0, 0.0], [5.0, 0.0, 0.0]]]),
    ...     embed=lambda module, tokens: module(tokens),
    ... )
    >>> h = probes.embedded(embedding)
    >>> h.shape, probes.scored(embedding, h)
    (torch.Size([2, 2, 3]), tensor([[7., 5.]]))
    >>> len(probes), len(probes.first(1)), [some.inputs.tolist() for some in probes.split(1)]
    (2, 1, [[[1, 2]], [[0, 0]]])
    """

    inputs: Shaped[Tensor, "probes ..."]
    """Embedded inputs h themselves where ``embed`` is not given."""
    scores: Callable[..., Float[Tensor, "tasks probes"]]
    """``scores(module, h)``, or ``scores(module, h, targets)`` where targets are given; each probe on its own."""
    targets: Shaped[Tensor, "tasks probes ..."] | None = None
    """What ``scores`` compares with, such as the right classes."""
    embed: Callable[[nn.Module, Tensor], Tensor] | None = None
    """``embed(module, inputs)`` is h. Where it depends on the slots, h moves with them."""

    def __post_init__(self) -> None:
        if not len(self.inputs):
            raise ValueError("inputs: expected at least one probe, got none")
        if self.targets is not None and (self.targets.ndim < 2 or self.targets.shape[1] != len(self)):
            raise ValueError(
                f"targets: expected [tasks, {len(self)} probes], as there are {len(self)} inputs, got shape "
                f"{tuple(self.targets.shape)}; for a single task give targets[None]"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, count: int) -> "Probes":
        """The first ``count`` of them.

        Raises
        ------
        ValueError
            The count is less than 1.
        """
        return next(self.split(count))

    def split(self, size: int) -> Iterator["Probes"]:
        """``size`` at a time.

        Raises
        ------
        ValueError
            The size is less than 1.
        """
        if size < 1:
            raise ValueError(f"size: expected at least one probe at a time, got {size}")
        for start in range(0, len(self), size):
            some = slice(start, start + size)
            targets = None if self.targets is None else self.targets[:, some]
            yield Probes(self.inputs[some], self.scores, targets, self.embed)

    def scored(self, module: nn.Module, h: Tensor) -> Float[Tensor, "tasks probes"]:
        """Scores of the probes from their embedded inputs."""
        return self.scores(module, h) if self.targets is None else self.scores(module, h, self.targets)

    def embedded(self, module: nn.Module) -> Float[Tensor, "probes ..."]:
        """Their embedded inputs h.

        Raises
        ------
        ValueError
            h is not of a floating-point dtype, or not of as many probes.
        """
        h: Any = self.inputs.detach() if self.embed is None else self.embed(module, self.inputs)
        name = "inputs" if self.embed is None else "embed"
        if not isinstance(h, Tensor) or not h.is_floating_point():
            raise ValueError(
                f"{name}: expected embedded inputs of a floating-point dtype, by which a centroid's gradient is taken, "
                f"got {h.dtype if isinstance(h, Tensor) else type(h).__name__}; for tokens give embed, a function of "
                "module and inputs such as lambda module, tokens: module.embedding(tokens)"
            )
        if len(h) != len(self):
            raise ValueError(f"{name}: expected [{len(self)} probes, ...], got shape {tuple(h.shape)}")
        return h.to(torch.float32) if h.dtype in (torch.float16, torch.bfloat16) else h
