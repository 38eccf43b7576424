r"""Projections of a vector on a subspace, and the rolling history whose top singular vectors span one.

Shapes: vectors are ``[params]``, a basis is ``[rank, params]`` with orthonormal rows V, its projector
:math:`P x = V^\top V x`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from sedlib.base.finite import require_finite
from sedlib.base.precision import determined, require_rank

Projector = Callable[[Tensor], Tensor]
"""Maps a vector to its part in a subspace."""

INDEPENDENT_ROW = 1e-6
"""A row's part across the rows before it, relative to the norm of all rows: what is less may be rounding.

The QR decomposition leaves 1e-7 of dependent float32 rows of 300 parameters, 5e-7 of 100,000, but 1e-6 of 300,000.
"""


def onto_basis(basis: Float[Tensor, "rank params"]) -> Projector:
    r"""Projector on the span of orthonormal rows: :math:`P x = V^\top (V x)`.

    >>> onto_basis(torch.eye(3)[:2])(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 0.])
    """
    return lambda vector: (basis @ vector) @ basis


def onto_coordinates(kept: Bool[Tensor, " params"]) -> Projector:
    """Projector on a subset of the coordinates; exact: kept coordinates keep their bits."""
    return lambda vector: torch.where(kept, vector, torch.zeros_like(vector))


def removing(projector: Projector) -> Projector:
    """Projector on the complement: I − P."""
    return lambda vector: vector - projector(vector)


def random_basis(rank: int, size: int, generator: torch.Generator) -> Float[Tensor, "rank params"]:
    """Orthonormal basis of a subspace uniform among those of dimension ``rank``; drawn on the CPU.

    Raises
    ------
    ValueError
        Rank exceeds the dimension, or is negative.
    """
    if not 0 <= rank <= size:
        raise ValueError(f"rank must be between 0 and the dimension {size:,}, got {rank}")
    return orthonormal(torch.randn(rank, size, generator=generator))


def random_coordinates(count: int, size: int, generator: torch.Generator) -> Bool[Tensor, " params"]:
    """Subset of ``count`` coordinates, uniform among those of that size; drawn on the CPU.

    Raises
    ------
    ValueError
        There are fewer coordinates than that, or the count is negative.
    """
    if not 0 <= count <= size:
        raise ValueError(f"coordinates must be between 0 and the dimension {size:,}, got {count:,}")
    kept = torch.zeros(size, dtype=torch.bool)
    kept[torch.randperm(size, generator=generator)[:count]] = True
    return kept


def orthonormal(rows: Float[Tensor, "rank params"]) -> Float[Tensor, "rank params"]:
    """Orthonormal basis of the span of a few independent rows.

    Raises
    ------
    ValueError
        The rows are linearly dependent, or not finite.
    """
    require_finite(rows=rows)
    basis, triangle = torch.linalg.qr(rows.T)
    sizes = triangle.diagonal().abs()
    if not (sizes > INDEPENDENT_ROW * rows.norm()).all() or len(rows) > rows.shape[1]:
        raise ValueError(f"{len(rows)} rows that are linearly dependent span no basis of that rank")
    return basis.T


class RollingHistory:
    """The last W rows of a stream and their Gram matrix, which a new row changes in one row and column.

    Memory: W·N floats, once.
    """

    def __init__(self, window: int, size: int, device: torch.device | str = "cpu") -> None:
        self._rows = torch.zeros(window, size, device=device)
        self._gram = torch.zeros(window, window, dtype=torch.float64, device=device)
        self._count = 0

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self._rows.device

    @property
    def is_whole(self) -> bool:
        """Whether W rows have been appended."""
        return self._count >= len(self._rows)

    def append(self, row: Float[Tensor, " params"]) -> None:
        """Put ``row`` in the place of the oldest.

        Raises
        ------
        ValueError
            It is not finite, or so large that its square is not.
        """
        place = self._count % len(self._rows)
        self._rows[place] = row
        products = (self._rows @ row).double()
        if not products[place].isfinite():
            raise ValueError(f"row: expected finite values, got one whose square is {float(products[place])}")
        self._gram[place], self._gram[:, place] = products, products
        self._count += 1

    def state_dict(self) -> dict[str, Tensor | int]:
        """The rows, their Gram matrix and how many rows were appended."""
        return {"rows": self._rows, "gram": self._gram, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``, with a window and a size as those of the history that gave it."""
        self._rows.copy_(state["rows"])
        self._gram.copy_(state["gram"])
        self._count = state["count"]

    def basis(self, rank: int, *, allow_fewer: bool = False) -> Float[Tensor, "found params"]:
        """Top ``rank`` right singular vectors of the last W rows, orthonormal.

        With ``allow_fewer`` rows that span fewer dimensions give a basis of as many, of none if all are zero.

        Raises
        ------
        ValueError
            The window is not whole yet, rank exceeds it, or its rows span fewer than ``rank`` dimensions.
        """
        if not self.is_whole:
            raise ValueError(f"the history holds {self._count} rows of a window of {len(self._rows)}")
        if not 1 <= rank <= len(self._rows):
            raise ValueError(f"rank must be between 1 and window = {len(self._rows)}, got {rank}")
        eigenvalues, eigenvectors = torch.linalg.eigh(self._gram.cpu())
        singular_values = eigenvalues.clamp(min=0).sqrt().flip(0)
        if not allow_fewer:
            require_rank(singular_values, rank, f"the last {len(self._rows)} rows", self._rows.dtype)
        kept = determined(singular_values, self._rows.dtype)[:rank]
        left = eigenvectors.flip(1)[:, :rank][:, kept]
        coefficients = (left / eigenvalues.flip(0)[:rank][kept].sqrt()).T
        require_finite(coefficients=coefficients.to(self._rows))
        return orthonormal(coefficients.to(self._rows) @ self._rows)


def overlap(first: Float[Tensor, "rank params"], second: Float[Tensor, "rank params"]) -> Float64[Tensor, ""]:
    """Mean principal cosine between two bases; 1: the same subspace, 0: orthogonal.

    Raises
    ------
    ValueError
        A basis has no dimension, or is not finite.
    """
    if not (len(first) and len(second)):
        raise ValueError(f"an overlap needs two bases of at least one dimension, got {len(first)} and {len(second)}")
    products = first @ second.T
    require_finite(first=first, second=second, products_of_first_and_second=products)
    return torch.linalg.svdvals(products.double().cpu()).mean()


def principal_angles(
    first: Float[Tensor, "first params"], second: Float[Tensor, "second params"]
) -> Float64[Tensor, " angles"]:
    r"""Angles between the spans of two orthonormal bases in degrees, ascending; as many as the smaller has rows.

    :math:`\arccos \sigma_i(V_1 V_2^\top)`; angles below about 0.03° are lost in float32.

    >>> principal_angles(torch.eye(3)[:2], torch.eye(3)[1:]).tolist()  # two planes that share an axis
    [0.0, 90.0]

    Raises
    ------
    ValueError
        A basis is not finite.
    """
    require_finite(first=first, second=second)
    cosines = torch.linalg.svdvals((first.double() @ second.double().T).cpu())
    return cosines.clamp(max=1).arccos().rad2deg()
