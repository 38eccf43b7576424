"""Selected parameters of a module as one flat vector, and back.

Shapes: a vector is ``[params]``, the concatenation of the selected parameters in the module's own order, each
flattened row by row. Of some parameters a layout may hold a part, as the rows of one attention head, and of those with
a LoRA adapter the merged weight W + s·BA.

Units: those of the parameters.
"""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.border.kinds import kind, require_module, wrong_kind
from sedlib.base.errors import in_one_line, listed, quoted
from sedlib.base.nearest import nearest
from sedlib.slots.attention_slots import attention_slots
from sedlib.slots.layers_and_heads import Heads, Numbers
from sedlib.slots.patterns import Patterns, as_patterns, kept, shown, trainable
from sedlib.slots.registry import Registry, require_real
from sedlib.slots.slot import Slot


@dataclass(frozen=True)
class ParamLayout:
    """Names and shapes of the parameters that make up a vector, in order.

    A layout is plain if each name is a whole parameter of the module: ``slots`` is empty. Otherwise ``names`` say
    which part is meant (``attn.c_attn.weight[:, 8:12]``), or that an adapter's part is in it (``….weight+BA``).

    Raises
    ------
    ValueError
        There is no name, a name comes twice, or a name has no shape.

    Examples
    --------
    >>> module = nn.Linear(2, 1)
    >>> layout = ParamLayout.select(module, "*")
    >>> layout.names, layout.shapes, layout.sizes, layout.size
    (('weight', 'bias'), ((1, 2), (1,)), (2, 1), 3)
    >>> vector = layout.flatten({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])})
    >>> vector, layout.unflatten(vector)["weight"]
    (tensor([1., 2., 3.]), tensor([[1., 2.]]))
    >>> layout.needs
    ('weight', 'bias')
    >>> layout.of(module)["bias"] is module.bias, ParamLayout.from_json(layout.to_json()) == layout
    (True, True)
    """

    names: tuple[str, ...]
    """Names of the parameters, in the module's order."""
    shapes: tuple[tuple[int, ...], ...]
    """The shape of each parameter; a vector holds a parameter row by row."""
    slots: tuple[Slot, ...] = ()
    """In a layout that is not plain: where the elements of each name lie."""
    left_out: tuple[str, ...] = field(default=(), compare=False)
    """Matrices that look like attention by their names, but are of no structure that ``attention`` knows."""
    ties: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    """Every further name of a tied parameter, with the name that the layout uses."""

    def __post_init__(self) -> None:
        for field_name in ("names", "shapes"):
            if not isinstance(value := getattr(self, field_name), tuple):
                raise wrong_kind(field_name, "a tuple", value, "ParamLayout.select(module, …) makes a layout")
        if not self.names or len(self.names) != len(self.shapes):
            raise ValueError(f"shapes: expected one for each of {len(self.names)} names, got {len(self.shapes)}")
        if twice := [name for place, name in enumerate(self.names) if name in set(self.names[:place])]:
            raise ValueError(f"names: expected each once, got {listed(twice)} again")
        for name, shape in zip(self.names, self.shapes, strict=True):
            if not isinstance(shape, tuple) or not all(isinstance(size, int) and size >= 0 for size in shape):
                raise ValueError(f"shapes: expected a tuple of sizes for {quoted(name)}, got {quoted(shape)}")

    @classmethod
    def select(
        cls,
        module: nn.Module,
        *patterns: Patterns,
        exclude: Patterns | None = None,
        trainable_only: bool = False,
    ) -> "ParamLayout":
        """Parameters whose name matches one of the glob ``patterns``, in the module's order.

        Parameters
        ----------
        patterns
            Globs, or lists of them; ``*`` matches dots too.
        exclude
            Globs, or lists of them: parameters to leave out.
        trainable_only
            Whether to leave out parameters with ``requires_grad=False``.

        Raises
        ------
        ValueError
            A pattern matches no parameter, or every parameter is left out; the message lists the nearest names. A
            pattern matches only one of the names of a tied parameter, and not the name that the layout uses. A
            parameter is complex, or quantised to integers.

        Examples
        --------
        >>> module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        >>> layout = ParamLayout.select(module, "*.weight")
        >>> layout.names, layout.size
        (('0.weight', '1.weight'), 8)
        >>> ParamLayout.select(module, ["0.*", "1.*"], exclude="*.bias").names
        ('0.weight', '1.weight')
        """
        require_module(module)
        registry, include = Registry(module), as_patterns(*patterns)
        parameters = registry.parameters
        if not include:
            raise ValueError(
                f"no pattern given, so no parameter is selected; there are: {shown('', parameters, registry)}"
            )
        names = kept(parameters, include, as_patterns(exclude), registry, "parameter")
        slots = [Slot(name, tuple(parameters[name].shape)) for name in registry.real(names)]
        return cls._of_slots(trainable(slots, registry) if trainable_only else slots, registry)

    @classmethod
    def attention(
        cls,
        module: nn.Module,
        layers: Numbers | None = None,
        heads: Heads | None = None,
        include: Patterns | None = None,
        exclude: Patterns | None = None,
        *,
        trainable_only: bool = False,
        lora: Literal["merged", "base"] = "merged",
    ) -> "ParamLayout":
        """The attention slots: Q, K, V and output weights, without biases, of every attention module inside.

        An attention module is recognised by its structure (sedlib.slots.structures lists them), not by its class, and
        below every wrapper: torch.compile, DataParallel and DDP, PEFT. Matrices that look like attention and are of no
        known structure are left out with a warning, and listed in ``left_out``.

        Parameters
        ----------
        layers
            One number or several: the attention modules of these layers, of encoder and decoder alike.
        heads
            One number or several: the part of each weight that belongs to these heads. Head h is its rows of Q and its
            columns of O, and rows of K and V that it may share with other heads (grouped queries). A mapping gives
            the heads by layer, and chooses the layers: ``{3: [2], 4: [0, 1]}``.
        include, exclude
            Globs of parameter names, or lists of them: which of these slots to keep, and which to leave out.
        trainable_only
            Whether to leave out what has ``requires_grad=False``, and no adapter that is trained.
        lora
            What a weight W with a LoRA adapter stands for: ``merged``, W + s·BA, with which the network computes, of
            the adapters that are active now; ``base``, W alone.

        Raises
        ------
        ValueError
            No attention module of a known structure; no such layer or head; where heads lie cannot be told; an adapter
            does something other than to add s·BA; or as ``select`` does.

        Examples
        --------
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2)
        >>> ParamLayout.attention(encoder, layers=1).names
        ('layers.1.self_attn.in_proj_weight', 'layers.1.self_attn.out_proj.weight')
        >>> ParamLayout.attention(encoder, layers=1, heads=0).names
        ('layers.1.self_attn.in_proj_weight[0:2|4:6|8:10]', 'layers.1.self_attn.out_proj.weight[:, 0:2]')
        """
        if lora not in ("merged", "base"):
            raise ValueError(f"lora: expected 'merged' or 'base', got {lora!r}")
        require_module(module)
        registry = Registry(module)
        slots, left_out = attention_slots(registry, layers, heads, include, exclude, lora == "merged")
        registry.real([name for slot in slots for name in slot.needs])
        if left_out:
            warnings.warn(
                "these look like attention, but are of no known structure, and are left out: "
                f"{nearest('', left_out)}; exclude them, or choose with ParamLayout.select",
                stacklevel=2,
            )
        return cls._of_slots(trainable(slots, registry) if trainable_only else slots, registry, tuple(left_out))

    @classmethod
    def _of_slots(cls, slots: list[Slot], registry: Registry, left_out: tuple[str, ...] = ()) -> "ParamLayout":
        is_plain = all(slot.is_plain for slot in slots)
        return cls(
            tuple(slot.label for slot in slots),
            tuple(slot.part_shape for slot in slots),
            () if is_plain else tuple(slots),
            left_out,
            tuple(registry.aliases.items()),
        )

    @cached_property
    def _slots(self) -> tuple[Slot, ...]:
        return self.slots or tuple(Slot(name, shape) for name, shape in zip(self.names, self.shapes, strict=True))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Number of elements of a vector: N."""
        return sum(self.sizes)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of all parameters that ``flatten`` takes, an adapter's own among them."""
        return tuple(dict.fromkeys(name for slot in self._slots for name in slot.needs))

    def of(self, module: nn.Module) -> dict[str, nn.Parameter]:
        """The selected parameters themselves, live.

        Raises
        ------
        ValueError
            The module lacks one, or has it in another shape; or the layout holds parts of parameters or merged weights,
            which are no parameters.
        """
        self._require_plain("of")
        require_module(module)
        parameters = dict(module.named_parameters())
        if any(name not in parameters for name in self.names):
            registry = Registry(module)
            for name in self.names:
                if name in registry.aliases:
                    raise ValueError(f"{registry.tie(name)}; it is one parameter and goes by that name here")
        self._check(parameters)
        return {name: parameters[name] for name in self.names}

    def flatten(self, values: Mapping[str, Tensor]) -> Float[Tensor, " params"]:
        """One vector of whole parameters by the module's names, as in a state dict; other names are ignored.

        Raises
        ------
        ValueError
            A name is missing, or a value has another shape than the layout says, or is no dense tensor of real numbers.
        """
        self._check(values)
        return torch.cat([slot.take(values).reshape(-1) for slot in self._slots])

    def placed(self, theta: Float[Tensor, " params"], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Whole parameters by the module's names once the vector is in its place; differentiable in ``theta``.

        Of a plain layout this is ``unflatten(theta)``. Of a part the rest is as in ``values``, the module's whole
        parameters; of a merged weight it is the base weight θ − s·BA, to which the network adds s·BA again, so that the
        gradient in θ is the gradient of the base weight. ``flatten({**values, **placed(theta, values)})`` is ``theta``:
        to the bit, and to rounding where weights are merged.

        Raises
        ------
        ValueError
            The vector is not of the layout's size, or ``values`` are not those that ``flatten`` takes.

        Examples
        --------
        >>> module = nn.MultiheadAttention(4, 2)
        >>> layout = ParamLayout.attention(module, heads=1)
        >>> whole = layout.placed(torch.zeros(layout.size), dict(module.named_parameters()))
        >>> whole["out_proj.weight"].shape, whole["out_proj.weight"][:, 2:].abs().max().item()
        (torch.Size([4, 4]), 0.0)
        """
        pieces = self._pieces(theta)
        if not self.slots:
            return pieces
        self._check(values)
        return {slot.name: slot.put(pieces[name], values) for name, slot in zip(self.names, self.slots, strict=True)}

    def unflatten(self, vector: Float[Tensor, " params"]) -> dict[str, Tensor]:
        """Views of ``vector`` by parameter name: the inverse of ``flatten``, differentiable; of a plain layout.

        Raises
        ------
        ValueError
            The vector is not of the layout's size; or the layout holds parts of parameters or merged weights.
        """
        self._require_plain("unflatten")
        return self._pieces(vector)

    def _pieces(self, vector: Tensor) -> dict[str, Tensor]:
        if not isinstance(vector, Tensor):
            raise wrong_kind("vector", f"a tensor of {self.size:,} elements", vector, "torch.as_tensor makes one")
        if vector.shape != (self.size,):
            raise ValueError(
                f"expected a vector of {self.size:,} elements ({nearest('', self.names)}), "
                f"got shape {tuple(vector.shape)}"
            )
        if not vector.is_floating_point():
            raise ValueError(f"expected a vector of real numbers ({nearest('', self.names)}), got {vector.dtype}")
        pieces = vector.split(self.sizes)
        return {name: piece.view(shape) for name, shape, piece in zip(self.names, self.shapes, pieces, strict=True)}

    def _require_plain(self, method: str) -> None:
        if self.slots:
            some = next(slot.label for slot in self.slots if not slot.is_plain)
            raise ValueError(
                f"{method}: this layout holds parts of parameters or merged weights ({some!r}), not parameters alone; "
                "placed(theta, values) gives the whole parameters"
            )

    def to_json(self) -> str:
        """Names and shapes as JSON, as artifacts carry it; parts and merged weights with all that makes them."""
        return json.dumps({slot.label: slot.to_json() for slot in self._slots})

    @classmethod
    def from_json(cls, text: str) -> "ParamLayout":
        """Inverse of ``to_json``.

        Raises
        ------
        ValueError
            The text is not what ``to_json`` writes.
        """
        try:
            slots = tuple(Slot.from_json(label, read) for label, read in json.loads(text).items())
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            what = repr(in_one_line(text[:60])) if isinstance(text, str) else kind(text)
            raise ValueError(f"text: expected a layout as to_json writes it, got {what}") from error
        shapes = tuple(slot.part_shape for slot in slots)
        return cls(tuple(slot.label for slot in slots), shapes, () if all(slot.is_plain for slot in slots) else slots)

    def _check(self, values: Mapping[str, Tensor]) -> None:
        if not isinstance(values, Mapping):
            remedy = "give dict(module.named_parameters()) or its state_dict()" if hasattr(values, "parameters") else ""
            raise wrong_kind("values", "a mapping of names to tensors", values, remedy)
        for slot in self._slots:
            for name in slot.needs:
                if name not in values:
                    tied = [alias for alias, first in self.ties if first == name and alias in values]
                    hint = f" ({tied[0]!r}, which is tied to it, is there)" if tied else ""
                    there = nearest(name, (f"{one} {tuple(getattr(of, 'shape', ()))}" for one, of in values.items()))
                    raise ValueError(f"parameter {quoted(name)} is missing{hint}; there are: {there}")
                if not isinstance(values[name], Tensor):
                    raise wrong_kind(f"parameter {quoted(name)}", "a tensor", values[name], "torch.as_tensor makes one")
                require_real(name, values[name].is_floating_point(), values[name].dtype)
                if values[name].layout != torch.strided:
                    raise ValueError(
                        f"parameter {quoted(name)}: expected a dense tensor, got one of layout {values[name].layout}"
                    )
            if tuple(values[slot.name].shape) != slot.shape:
                raise ValueError(
                    f"parameter {slot.name!r}: expected shape {slot.shape}, got {tuple(values[slot.name].shape)}"
                )
