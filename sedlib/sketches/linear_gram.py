r"""Gram matrices of gradients of linear layers' weights, from what the layers read and what flows back to them.

A layer :math:`y = x W^\top + b` that is applied to n tokens has the gradient :math:`G = \sum_b \delta_b x_b^\top` with
:math:`\delta = \partial L / \partial y`, so that gradients at two checkpoints have the product

.. math:: \langle G_t, G_s \rangle = \sum_{b b'} (\delta_{tb} \cdot \delta_{sb'}) (x_{tb} \cdot x_{sb'})

A row of factors takes n (inputs + outputs) numbers of a weight in place of inputs × outputs, and a product n times as
many multiplications as it reads numbers. Of each weight the smaller of the two is kept.

Shapes: inputs are ``[tokens, inputs]``, what flows back is ``[tokens, outputs]``, a weight and its gradient
``[outputs, inputs]``, a row ``[params]``, a band ``[rows, offsets]``. Units: products have those of the rows, squared.
Source: the outer products are those of Goodfellow 2015, arXiv 1510.01799, for norms of examples' gradients.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sedlib.base.border.arrays import require_array
from sedlib.base.border.checked import checked, require_fields
from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import listed, quoted

TOKENS = 512
"""Of one row, whose products with all tokens of another are in memory at a time."""


@checked()
def factors_are_fewer(tokens: int, inputs: int, outputs: int) -> bool:
    """Whether n (inputs + outputs) numbers are fewer than inputs × outputs.

    Raises
    ------
    ValueError
        A number is no whole number, or is negative.

    Examples
    --------
    >>> factors_are_fewer(tokens=256, inputs=768, outputs=768), factors_are_fewer(tokens=512, inputs=768, outputs=768)
    (True, False)
    """
    tokens, inputs, outputs = int(tokens), int(inputs), int(outputs)  # NumPy's overflow
    if min(tokens, inputs, outputs) < 0:
        raise ValueError(f"expected numbers of 0 or more, got {tokens} tokens, {inputs} inputs and {outputs} outputs")
    return tokens * (inputs + outputs) < inputs * outputs


@dataclass(frozen=True)
class LinearFactors:
    """The gradient of one weight, as the sum of outer products that it is.

    Raises
    ------
    ValueError
        The two are no floating-point tensors of as many tokens.

    Examples
    --------
    >>> factors = LinearFactors(inputs=torch.tensor([[1.0, 2.0]]), deltas=torch.tensor([[3.0]]))
    >>> factors.gradient, factors.product(factors), factors.product(torch.tensor([[1.0, 1.0]]))
    (tensor([[3., 6.]]), 45.0, 9.0)
    """

    inputs: Float[Tensor, "tokens inputs"]
    """x: what the layer read, call after call."""
    deltas: Float[Tensor, "tokens outputs"]
    """δ: the derivative of the loss by what the layer gave."""

    def __post_init__(self) -> None:
        require_fields(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the weight: outputs and inputs."""
        return self.deltas.shape[1], self.inputs.shape[1]

    @property
    def gradient(self) -> Float[Tensor, "outputs inputs"]:
        r""":math:`\sum_b \delta_b x_b^\top`, in float32 where both have 16 bits, in which the sum would overflow."""
        dtype = torch.promote_types(torch.promote_types(self.deltas.dtype, self.inputs.dtype), torch.float32)
        return self.deltas.T.to(dtype) @ self.inputs.to(dtype)

    def product(self, other: "LinearFactors | Tensor") -> float:
        """Inner product with another gradient of the weight, as factors or as it is; summed in float64.

        Raises
        ------
        ValueError
            The other is no gradient, or of a weight of another shape.
        """
        _require_gradient("other", other)
        if tuple(other.shape) != self.shape:
            raise ValueError(f"other: expected the gradient of a weight {self.shape}, got shape {tuple(other.shape)}")
        total = 0.0
        for inputs, deltas in zip(self.inputs.split(TOKENS), self.deltas.split(TOKENS), strict=True):
            inputs, deltas = inputs.double(), deltas.double()
            if isinstance(other, Tensor):
                total += float(((deltas @ other.double()) * inputs).sum())
            else:
                total += float(((deltas @ other.deltas.double().T) * (inputs @ other.inputs.double().T)).sum())
        return total


@dataclass(frozen=True)
class FactoredRow:
    """A gradient row of linear layers' weights, each as its factors or as it is, whichever is smaller.

    Raises
    ------
    ValueError
        There is not a part for each name, or a part is no gradient of a weight.

    Examples
    --------
    >>> factors = LinearFactors(inputs=torch.tensor([[1.0, 2.0]]), deltas=torch.tensor([[3.0]]))
    >>> row = FactoredRow(("first", "second"), (factors, torch.tensor([[1.0]])))
    >>> row.vector(), row.numbers, row.product(row)
    (tensor([3., 6., 1.]), 4, 46.0)
    """

    names: tuple[str, ...]
    """Of the weights, in a layout's order."""
    parts: tuple[LinearFactors | Tensor, ...]
    """The gradient by each weight."""

    def __post_init__(self) -> None:
        for name in ("names", "parts"):
            if not isinstance(value := getattr(self, name), tuple):
                raise wrong_kind(name, "a tuple", value)
        if len(self.names) != len(self.parts):
            raise ValueError(f"parts: expected one for each of {len(self.names)} names, got {len(self.parts)}")
        for name, part in zip(self.names, self.parts, strict=True):
            _require_gradient(f"part {quoted(name)}", part)

    @property
    def numbers(self) -> int:
        """How many numbers the row takes in memory; as a vector it takes N."""
        return sum(
            part.numel() if isinstance(part, Tensor) else part.inputs.numel() + part.deltas.numel()
            for part in self.parts
        )

    def product(self, other: "FactoredRow") -> float:
        """Inner product with another row of the same weights.

        Raises
        ------
        ValueError
            The other is no row, or of other weights.
        """
        _require_row(other)
        self.require_alike(other)
        return sum(_product(mine, theirs) for mine, theirs in zip(self.parts, other.parts, strict=True))

    def require_alike(self, other: "FactoredRow") -> None:
        """Refuse a row of other weights.

        Raises
        ------
        ValueError
            Their names or shapes differ.
        """
        if self.names != other.names:
            raise ValueError(
                f"rows of different weights have no product: {listed(self.names)}, and {listed(other.names)}"
            )
        for name, mine, theirs in zip(self.names, self.parts, other.parts, strict=True):
            if tuple(mine.shape) != tuple(theirs.shape):
                raise ValueError(
                    f"rows of different weights have no product: {quoted(name)} is {tuple(mine.shape)} in one and "
                    f"{tuple(theirs.shape)} in the other"
                )

    def vector(self) -> Float[Tensor, " params"]:
        """The row itself, in the layout's order, as ``task_gradients`` gives it."""
        return torch.cat([(p if isinstance(p, Tensor) else p.gradient).flatten() for p in self.parts])


@checked()
def factored_band(rows: Iterable[FactoredRow], reach: int) -> Float64[Tensor, "rows offsets"]:
    """Band of the Gram matrix of rows that come in order, of which ``reach`` + 1 are in memory: as ``gram_band``.

    Raises
    ------
    ValueError
        Rows are of different weights, or are none; the square of a row is not finite; or the reach is negative.

    Examples
    --------
    >>> rows = [FactoredRow(("weight",), (torch.tensor([gradient]),)) for gradient in ([3.0, 4.0], [1.0, 0.0])]
    >>> factored_band(iter(rows), reach=1).tolist()
    [[25.0, 3.0], [1.0, 0.0]]
    """
    if reach < 0:
        raise ValueError(f"reach: expected 0 or more, got {reach}")
    recent: deque[FactoredRow] = deque(maxlen=reach + 1)
    band: list[list[float]] = []
    for row in rows:
        _require_row(row)
        (recent[-1] if recent else row).require_alike(row)
        recent.append(row)
        band.append([])
        for back, earlier in enumerate(reversed(recent)):
            band[-1 - back].append(earlier.product(row))
        if not math.isfinite(square := band[-1][0]):
            raise ValueError(f"rows: row {len(band) - 1} is not finite, or too large: its square is {square}")
    padded = [products + [0.0] * (reach + 1 - len(products)) for products in band]
    return torch.tensor(padded, dtype=torch.float64).reshape(len(band), reach + 1)


def _require_row(row: object) -> None:
    if not isinstance(row, FactoredRow):
        raise wrong_kind("rows", "rows of factored_gradients", row)


def _require_gradient(name: str, part: object) -> None:
    """Refuse what is no gradient of a weight, as its factors or as it is."""
    if not isinstance(part, LinearFactors):
        require_array(name, part, Float[Tensor, "outputs inputs"], {}, may_be_narrow=True)


def _product(first: LinearFactors | Tensor, second: LinearFactors | Tensor) -> float:
    if isinstance(first, LinearFactors):
        return first.product(second)
    if isinstance(second, LinearFactors):
        return second.product(first)
    return float((first.double() * second.double()).sum())
