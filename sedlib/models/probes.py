"""Inputs at which centroids are taken, and what is read off the network there.

Shapes: inputs are ``[probes, ...]``, the embedded input h ``[probes, ...]``, targets ``[tasks, probes, ...]``, scores
``[tasks, probes]``.
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
    >>> embedding = nn.Embedding(10, 4)
    >>> probes = Probes(
    ...     torch.tensor([[1, 2], [3, 4]]),
    ...     scores=lambda module, h, targets: h.sum((1, 2))[None],
    ...     embed=lambda module, tokens: module(tokens),
    ... )
    >>> len(probes), probes.embed(embedding, probes.inputs).shape
    (2, torch.Size([2, 2, 4]))
    """

    inputs: Shaped[Tensor, "probes ..."]
    """Embedded inputs h themselves where ``embed`` is not given."""
    scores: Callable[..., Float[Tensor, "tasks probes"]]
    """``scores(module, h)``, or ``scores(module, h, targets)`` where targets are given; each probe on its own."""
    targets: Shaped[Tensor, "tasks probes ..."] | None = None
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
        """The first ``count`` of them."""
        return next(self.split(count))

    def split(self, size: int) -> Iterator["Probes"]:
        """``size`` at a time."""
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
