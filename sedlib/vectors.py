"""Selected parameters of a module as one flat vector, and back.

Shapes: a vector is ``[params]``, the concatenation of the selected parameters in the module's own order, each
flattened row by row.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Parameters, relative to the attention module that owns them, that are its Q, K, V and output weights.
ATTENTION_STRUCTURES = (
    ("in_proj_weight", "out_proj.weight"),  # torch.nn.MultiheadAttention
    ("q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"),  # the same with kdim or vdim
    ("q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"),  # Llama and its kin
    ("q_proj.weight", "k_proj.weight", "v_proj.weight", "out_proj.weight"),  # OPT, BART, CLIP
    ("c_attn.weight", "c_proj.weight"),  # GPT-2
    ("qkv.weight", "proj.weight"),  # timm's vision transformers
)


@dataclass(frozen=True)
class ParamLayout:
    """Names and shapes of the parameters that make up a vector, in order."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def select(cls, module: nn.Module, *patterns: str) -> "ParamLayout":
        """Parameters whose name matches one of the glob ``patterns``, in the module's order.

        Raises
        ------
        ValueError
            A pattern matches no parameter; the message lists the names there are.

        Examples
        --------
        >>> layout = ParamLayout.select(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), "*.weight")
        >>> layout.names, layout.size
        (('0.weight', '1.weight'), 8)
        """
        parameters = dict(module.named_parameters())
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in parameters):
                raise ValueError(f"pattern {pattern!r} matches no parameter; {_listing(parameters)}")
        if not patterns:
            raise ValueError(f"no pattern given, so no parameter is selected; {_listing(parameters)}")
        return cls._of_names(
            module, {name for name in parameters if any(fnmatchcase(name, pattern) for pattern in patterns)}
        )

    @classmethod
    def attention(cls, module: nn.Module) -> "ParamLayout":
        """The attention slots: Q, K, V and output weights, without biases, of every attention module inside.

        An attention module is recognised by its structure, not by its class, and only if it is of a structure in
        ``ATTENTION_STRUCTURES``: look at ``names`` for a model that mixes several.

        Raises
        ------
        ValueError
            No attention module of a known structure; the message lists the names for ``select``.

        Examples
        --------
        >>> ParamLayout.attention(nn.TransformerEncoderLayer(4, 2, 8)).names
        ('self_attn.in_proj_weight', 'self_attn.out_proj.weight')
        """
        parameters = dict(module.named_parameters())
        owners = {name for name, _ in module.named_modules()}
        found = set()
        for owner in owners:
            prefix = f"{owner}." if owner else ""
            for structure in ATTENTION_STRUCTURES:
                slots = [prefix + weight for weight in structure]
                if all(slot in parameters for slot in slots):
                    found.update(slots)
                    break
        if not found:
            raise ValueError(
                f"no attention module of a known structure in {type(module).__name__}; "
                f"name its weights with ParamLayout.select; {_listing(parameters)}"
            )
        return cls._of_names(module, found)

    @classmethod
    def _of_names(cls, module: nn.Module, names: set[str]) -> "ParamLayout":
        chosen = {name: value for name, value in module.named_parameters() if name in names}
        return cls(tuple(chosen), tuple(tuple(value.shape) for value in chosen.values()))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Number of elements of a vector: N."""
        return sum(self.sizes)

    def of(self, module: nn.Module) -> dict[str, nn.Parameter]:
        """The selected parameters themselves, live.

        Raises
        ------
        ValueError
            The module lacks one, or has it in another shape.
        """
        parameters = dict(module.named_parameters())
        self._check(parameters)
        return {name: parameters[name] for name in self.names}

    def flatten(self, values: Mapping[str, Tensor]) -> Float[Tensor, " params"]:
        """One vector of the named ``values``; other names are ignored.

        Raises
        ------
        ValueError
            A name is missing, or a value has another shape than the layout says.
        """
        self._check(values)
        return torch.cat([values[name].reshape(-1) for name in self.names])

    def unflatten(self, vector: Float[Tensor, " params"]) -> dict[str, Tensor]:
        """Views of ``vector`` by parameter name: the inverse of ``flatten``, differentiable.

        Raises
        ------
        ValueError
            The vector is not of the layout's size.
        """
        if vector.shape != (self.size,):
            raise ValueError(
                f"expected a vector of {self.size:,} elements ({', '.join(self.names)}), "
                f"got shape {tuple(vector.shape)}"
            )
        pieces = vector.split(self.sizes)
        return {name: piece.view(shape) for name, shape, piece in zip(self.names, self.shapes, pieces, strict=True)}

    def placed(self, theta: Float[Tensor, " params"], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.unflatten(theta)

    def to_json(self) -> str:
        """Names and shapes as JSON, as artifacts carry it."""
        return json.dumps(dict(zip(self.names, self.shapes, strict=True)))

    @classmethod
    def from_json(cls, text: str) -> "ParamLayout":
        """Inverse of ``to_json``."""
        shapes = json.loads(text)
        return cls(tuple(shapes), tuple(tuple(shape) for shape in shapes.values()))

    def _check(self, values: Mapping[str, Tensor]) -> None:
        for name, shape in zip(self.names, self.shapes, strict=True):
            if name not in values:
                raise ValueError(f"parameter {name!r} is missing; {_listing(values)}")
            if tuple(values[name].shape) != shape:
                raise ValueError(f"parameter {name!r}: expected shape {shape}, got {tuple(values[name].shape)}")


def _listing(values: Mapping[str, Tensor]) -> str:
    return "there are: " + ", ".join(f"{name} {tuple(value.shape)}" for name, value in values.items())
