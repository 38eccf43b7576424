"""Inputs at which centroids are taken, and the scores of the network at these inputs.

Shapes: inputs are ``[probes, ...]``, the embedded input h ``[probes, ...]``, targets ``[tasks, probes, ...]``, scores
``[tasks, probes]``.

Units: those of the embedding and of the network's scores. Source: Walker et al., arXiv 2604.11962.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from sedlib.base.border.kinds import kind, require_function, wrong_kind
from sedlib.base.border.returned import require_scores
from sedlib.models.neighbours import Around, some_of
from sedlib.models.probe_inputs import copied_inputs, probe_count, require_taken, require_values, some_inputs
from sedlib.models.submodules import output_of, tensor_of


@dataclass(frozen=True)
class Probes:
    """Probes with their scores, whose gradient by h is the centroid.

    Of the module that is measured, h and what is scored are told by names of submodules:

    - ``embed`` is the name of one: its output is h. The module runs on the inputs with h in place of that output, and
      ``scores(output)`` gets what the module returns. Not given, the inputs are h.
    - ``read`` is the name of another: ``scores(output)`` gets its output, and the centroid is one of this inner module.

    Or by functions of the module, where neither is a name: ``embed(module, inputs)`` gives h, or is not given, and
    ``scores(module, h)`` computes the scores from it. Where targets are given, ``scores`` gets them as last argument.

    Raises
    ------
    ValueError
        There is no probe, or the inputs, the targets or the neighbours are not of as many, are no tensors, or have no
        values; ``scores`` or ``embed`` takes other arguments; or ``read`` is given beside a function.

    Examples
    --------
    >>> module = nn.Sequential(nn.Embedding.from_pretrained(torch.eye(3)), nn.Flatten(), nn.Linear(6, 2))
    >>> probes = Probes(torch.tensor([[1, 2], [0, 0]]), scores=lambda logits: logits.T, embed="0")
    >>> h = probes.embedded(module)
    >>> h.shape, bool((probes.scored(module, h) == module(probes.inputs).T).all())
    (torch.Size([2, 2, 3]), True)
    >>> len(probes), len(probes.first(1)), [some.inputs.tolist() for some in probes.split(1)]
    (2, 1, [[[1, 2]], [[0, 0]]])

    By functions:

    >>> probes = Probes(
    ...     inputs=torch.tensor([[1, 2], [0, 0]]),
    ...     scores=lambda module, h, targets: (h[:, 0] * targets[0]).sum(-1)[None],
    ...     targets=torch.tensor([[[0.0, 7.0, 0.0], [5.0, 0.0, 0.0]]]),
    ...     embed=lambda module, tokens: module[0](tokens),
    ... )
    >>> probes.scored(module, probes.embedded(module))
    tensor([[7., 5.]])
    """

    inputs: Shaped[Tensor, "probes ..."] | Mapping[str, Any]
    """The module's arguments, one tensor or arguments by name; without ``embed``, h itself."""
    scores: Callable[..., Float[Tensor, "tasks probes"]]
    """Scores from the arguments above; each probe on its own."""
    targets: Shaped[Tensor, "tasks probes ..."] | None = None
    """The last argument of ``scores``, such as the right classes."""
    embed: Callable[[nn.Module, Any], Tensor] | str | None = None
    """The submodule whose output is h, or ``embed(module, inputs)``. h moves with the slots that it depends on."""
    read: str | None = None
    """The submodule whose output is scored."""
    around: Around | None = None
    """Neighbours over which the centroid is a mean: the local centroid."""

    def __post_init__(self) -> None:
        count = probe_count(self.inputs)
        if self.targets is not None:
            require_values("targets", self.targets)
        if self.targets is not None and (self.targets.ndim < 2 or self.targets.shape[1] != count):
            raise ValueError(
                f"targets: expected [tasks, {count} probes], as there are {count} inputs, got shape "
                f"{tuple(self.targets.shape)}; for a single task give targets[None]"
            )
        if isinstance(self.around, Tensor) and (self.around.shape[1:2] != (count,) or not len(self.around)):
            raise ValueError(
                f"around: expected offsets [neighbours, {count} probes, ...], got {list(self.around.shape)}"
            )
        if self.read is not None and callable(self.embed):
            raise ValueError("read: expected embed as the name of a submodule, or none, got a function")
        if isinstance(self.embed, nn.Module):
            raise wrong_kind("embed", "the name of a submodule or a function of (module, inputs)", self.embed)
        if callable(self.embed):
            require_function("embed", self.embed, "module, inputs")
        elif not isinstance(self.embed, str | None):
            raise wrong_kind("embed", "the name of a submodule or a function of (module, inputs)", self.embed)
        named = ("output",) if self._by_name else ("module", "h")
        require_taken(self.scores, named if self.targets is None else (*named, "targets"))

    @property
    def _by_name(self) -> bool:
        return isinstance(self.embed, str) or self.read is not None

    def __len__(self) -> int:
        return probe_count(self.inputs)

    def first(self, count: int) -> "Probes":
        """The first ``count`` probes.

        Raises
        ------
        ValueError
            The count is less than 1.
        """
        return next(self.split(count))

    def split(self, size: int) -> Iterator["Probes"]:
        """The probes in groups of ``size``.

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
            inputs, around = some_inputs(self.inputs, some), some_of(self.around, some)
            yield Probes(inputs, self.scores, targets, self.embed, self.read, around)

    def turned(self) -> "Probes":
        """The probes in reverse order, without neighbours.

        Examples
        --------
        >>> Probes(torch.tensor([[1.0], [2.0]]), scores=lambda module, h: h.T).turned().inputs.tolist()
        [[2.0], [1.0]]
        """
        targets = None if self.targets is None else self.targets.flip(1)
        order = torch.arange(len(self) - 1, -1, -1)
        return replace(self, inputs=some_inputs(self.inputs, order), targets=targets, around=None)

    def scored(self, module: nn.Module, h: Tensor) -> Float[Tensor, "tasks probes"]:
        """Scores of the probes from their embedded inputs, a copy of which the network may write to.

        Raises
        ------
        ValueError
            There is no submodule of a name, it does not run exactly once, or the scores are not real floating-point
            numbers ``[tasks, probes]``.
        """
        h, inputs = h.clone(), copied_inputs(self.inputs)
        given: tuple[Any, ...] = (module, h)
        if self._by_name:
            replaced = (inputs, self.read, h, self.embed) if isinstance(self.embed, str) else (h, self.read)
            given = (output_of(module, *replaced),)
        found = self.scores(*given) if self.targets is None else self.scores(*given, self.targets)
        return require_scores(found, len(self))

    def embedded(self, module: nn.Module) -> Float[Tensor, "probes ..."]:
        """The embedded inputs h of the probes.

        Raises
        ------
        ValueError
            h is not of a floating-point dtype, or not of as many probes; or there is no submodule of that name, it does
            not run exactly once, or gives several tensors.
        """
        name = "inputs" if self.embed is None else "embed"
        h = self._h(module)
        if not isinstance(h, Tensor) or not h.is_floating_point():
            raise ValueError(
                f"{name}: expected embedded inputs of a floating-point dtype, by which a centroid's gradient is taken, "
                f"got {h.dtype if isinstance(h, Tensor) else kind(h)}; for tokens give embed, the name of the "
                "submodule that embeds them, or a function such as lambda module, tokens: module.embedding(tokens)"
            )
        if not h.ndim or len(h) != len(self):
            raise ValueError(f"{name}: expected [{len(self)} probes, ...], got shape {tuple(h.shape)}")
        return h.to(torch.float32) if h.dtype in (torch.float16, torch.bfloat16) else h

    def _h(self, module: nn.Module) -> Any:
        inputs = copied_inputs(self.inputs)
        if isinstance(self.embed, str):
            return tensor_of(module, inputs, self.embed)
        if self.embed is not None:
            return self.embed(module, inputs)
        return inputs.detach() if isinstance(inputs, Tensor) else inputs
