r"""Projections of a vector on a subspace, and the rolling history whose top singular vectors span one.

Shapes: vectors are ``[params]``, a basis is ``[rank, params]``, of fewer dimensions ``[found, params]``, two of them
``[first, params]`` and ``[second, params]``, with orthonormal rows V and the projector :math:`P x = V^\top V x`; angles
between them are ``[angles]``, singular values of a history ``[window]``. Units: bases have none, a projection has the
vector's, angles are in degrees. Source of the interventions that project: arXiv 2604.25143, section 5.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.border.kinds import kind, wrong_kind
from sedlib.base.finite import require_finite
from sedlib.base.long_rows.long_sums import SUMMED, column_blocks, inner_products
from sedlib.base.long_rows.orthonormal_rows import require_orthonormal
from sedlib.base.precision import determined, error_bound, require_rank
from sedlib.products import gram

Projector = Callable[[Tensor], Tensor]
"""Maps a vector to its part in a subspace."""

STEEP = 1e3
"""From this ratio of singular values on, a QR decomposition in float32 is less exact than a Gram matrix in float64."""


@checked()
def onto_basis(basis: Float[Tensor, "rank params"]) -> Projector:
    r"""Projector on the span of orthonormal rows: :math:`P x = V^\top (V x)`.

    Raises
    ------
    ValueError
        The rows are not orthonormal. Called: the vector is of another size or dtype.

    Examples
    --------
    >>> onto_basis(torch.eye(3)[:2])(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 0.])
    """
    require_orthonormal(basis)

    def project(vector: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
        _require_vector(vector, basis[0] if len(basis) else basis.new_empty(basis.shape[1]))
        return inner_products(basis, vector, basis.dtype).to(basis) @ basis

    return project


@checked()
def onto_coordinates(kept: Bool[Tensor, " params"]) -> Projector:
    """Projector on a subset of the coordinates; exact: kept coordinates keep their bits.

    Raises
    ------
    ValueError
        Called: the vector is of another size.

    Examples
    --------
    >>> onto_coordinates(torch.tensor([True, False]))(torch.tensor([1.0, 2.0])).tolist()
    [1.0, 0.0]
    """

    def project(vector: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
        _require_vector(vector, kept, any_dtype=True)
        return torch.where(kept, vector, torch.zeros_like(vector))

    return project


@checked(projector="onto_basis(basis) makes one")
def removing(projector: Projector) -> Projector:
    """Projector on the complement: I − P.

    Raises
    ------
    ValueError
        It is no function.

    Examples
    --------
    >>> removing(onto_basis(torch.eye(3)[:2]))(torch.tensor([1.0, 2.0, 3.0])).tolist()
    [0.0, 0.0, 3.0]
    """
    return lambda vector: vector - projector(vector)


def _require_vector(vector: object, like: Tensor, *, any_dtype: bool = False) -> None:
    if not isinstance(vector, Tensor):
        raise wrong_kind("vector", f"a tensor of shape {tuple(like.shape)}", vector, "torch.as_tensor makes one")
    same_kind = vector.device == like.device and (any_dtype or vector.dtype == like.dtype)
    if vector.shape != like.shape or not same_kind:
        dtype = "" if any_dtype else f" of {like.dtype}"
        raise ValueError(
            f"vector: expected shape {tuple(like.shape)}{dtype} on {like.device}, as the basis has, got "
            f"{tuple(vector.shape)} of {vector.dtype} on {vector.device}"
        )


@checked()
def random_basis(rank: int, size: int, generator: torch.Generator) -> Float[Tensor, "rank params"]:
    """Orthonormal basis of a subspace uniform among those of dimension ``rank``; drawn on the CPU.

    Raises
    ------
    ValueError
        Rank exceeds the dimension, or is negative.

    Examples
    --------
    >>> basis = random_basis(2, 5, torch.Generator().manual_seed(0))
    >>> (basis @ basis.T).round(decimals=5).abs().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not 0 <= rank <= size:
        raise ValueError(f"rank must be between 0 and the dimension {size:,}, got {rank}")
    rows = torch.randn(rank, size, generator=generator)
    # However near to dependent a draw is, its rows are what was drawn and not rounded from others.
    return torch.linalg.qr(rows.T)[0].T if size <= SUMMED else _by_cholesky(rows, rows)


@checked()
def random_coordinates(count: int, size: int, generator: torch.Generator) -> Bool[Tensor, " params"]:
    """Subset of ``count`` coordinates, uniform among those of that size; drawn on the CPU.

    Raises
    ------
    ValueError
        The count exceeds the number of coordinates, or is negative.

    Examples
    --------
    >>> int(random_coordinates(2, 5, torch.Generator().manual_seed(0)).sum())
    2
    """
    if not 0 <= count <= size:
        raise ValueError(f"coordinates must be between 0 and the dimension {size:,}, got {count:,}")
    kept = torch.zeros(size, dtype=torch.bool)
    kept[torch.randperm(size, generator=generator)[:count]] = True
    return kept


@checked("rows", "out")
def orthonormal(
    rows: Float[Tensor, "rank params"], out: Float[Tensor, "rank params"] | None = None
) -> Float[Tensor, "rank params"]:
    r"""Orthonormal basis of the span of a few independent rows.

    By a QR decomposition. Of more than 2¹⁹ parameters, where that is off by 1e-5 and, at 1e8, by a per cent, and of
    rows that are nearly dependent, by :math:`L^{-1} A` with :math:`A A^\top = L L^\top` in float64, twice. Memory: the
    result, and a block of columns.

    Parameters
    ----------
    rows
        One row for each direction of the basis, of any floating dtype.
    out
        A tensor that may be written over, so that the result needs no other memory; ``rows`` itself is allowed. The
        result is what is returned: a QR decomposition has memory of its own.

    Raises
    ------
    ValueError
        The rows are not finite, or by the rule of ``sedlib.base.precision`` their dtype does not determine all of them.

    Examples
    --------
    >>> orthonormal(torch.tensor([[2.0, 0.0, 0.0], [1.0, 3.0, 0.0]])).abs()
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    require_finite(rows=rows)
    if rows.dtype in (torch.float32, torch.float64) and len(rows) <= rows.shape[1] <= SUMMED:
        basis, triangle = torch.linalg.qr(rows.T)
        sizes = torch.linalg.svdvals(triangle.double().cpu())
        if not len(rows) or sizes[0] < STEEP * sizes[-1]:
            return basis.T
    singular_values = torch.linalg.eigvalsh(gram(rows, rows.device).cpu()).clamp(min=0).sqrt().flip(0)
    bound = error_bound(singular_values, rows.dtype, size=rows.shape[1])
    require_rank(bound, singular_values, len(rows), f"{len(rows)} rows")
    return _by_cholesky(rows, torch.empty(rows.shape, device=rows.device) if out is None else out)


def _by_cholesky(rows: Float[Tensor, "rank params"], out: Float[Tensor, "rank params"]) -> Tensor:
    """In two passes: the first leaves an error of rounding times the rows' squared condition, the second none."""
    for source in (rows, out):
        triangle = torch.linalg.cholesky(gram(source, rows.device))
        for columns in column_blocks(rows.shape[1], len(rows)):
            block = source[:, columns].double()
            out[:, columns] = torch.linalg.solve_triangular(triangle, block, upper=False).to(out)
    return out


class RollingHistory:
    """The last W rows of a stream and their Gram matrix, which a new row changes in one row and column.

    Memory: W·N float32 numbers, once, and a block of columns in float64.

    Parameters
    ----------
    window, size
        W and N.
    device
        Where the rows are.
    products
        The dtype in which products of rows are summed. In float32 an appended row costs half as much, and directions
        are determined down to a hundredth of the largest singular value in place of a millionth.

    Raises
    ------
    ValueError
        Window or size is less than 1.

    Examples
    --------
    >>> history = RollingHistory(window=2, size=3)
    >>> for row in torch.diag(torch.tensor([3.0, 2.0, 1.0])):
    ...     history.append(row)
    >>> history.is_whole, history.device.type, history.singular_values.tolist(), history.basis(rank=1).abs().tolist()
    (True, 'cpu', [2.0, 1.0], [[0.0, 1.0, 0.0]])
    >>> (history.error_bound < 1e-6).tolist()
    [True, True]
    >>> another = RollingHistory(window=2, size=3)
    >>> another.load_state_dict(history.state_dict())
    >>> torch.equal(another.basis(rank=1), history.basis(rank=1))
    True
    """

    @checked()
    def __init__(
        self,
        window: int,
        size: int,
        device: torch.device | str = "cpu",
        products: torch.dtype = torch.float64,
    ) -> None:
        if window < 1 or size < 1:
            raise ValueError(f"expected a window and a size of at least 1, got {window} and {size}")
        self._rows = torch.zeros(window, size, device=device)
        self._gram = torch.zeros(window, window, dtype=torch.float64, device=device)
        self._count = 0
        self._products = products

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self._rows.device

    @property
    def is_whole(self) -> bool:
        """Whether W rows have been appended."""
        return self._count >= len(self._rows)

    @property
    def singular_values(self) -> Float64[Tensor, " window"]:
        """Singular values of the last W rows, descending."""
        return torch.linalg.eigvalsh(self._gram.cpu()).clamp(min=0).sqrt().flip(0)

    @property
    def error_bound(self) -> Float64[Tensor, " window"]:
        """Bound on the sine of the angle by which rounding turns each direction: ``sedlib.base.precision``."""
        return self._bound(self.singular_values)

    @checked("row")
    def append(self, row: Float[Tensor, " params"]) -> None:
        """Put ``row`` in the place of the oldest row.

        Raises
        ------
        ValueError
            It has another size, is not finite, or is so large that its square is not.
        """
        if row.shape != self._rows.shape[1:]:
            raise ValueError(f"row: expected the shape {tuple(self._rows.shape[1:])}, got {tuple(row.shape)}")
        require_finite(row=row)
        place = self._count % len(self._rows)
        self._rows[place] = row
        products = inner_products(self._rows, self._rows[place], self._products)
        if not products[place].isfinite():
            raise ValueError(f"row: expected finite values, got one whose square is {float(products[place])}")
        self._gram[place], self._gram[:, place] = products, products
        self._count += 1

    def state_dict(self) -> dict[str, Tensor | int]:
        """The rows, their Gram matrix and how many rows were appended."""
        return {"rows": self._rows, "gram": self._gram, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``, with a window and a size as those of the history that gave it.

        Raises
        ------
        ValueError
            The state is not one of a history, or of one with another window or size.
        """
        own = {"rows": self._rows, "gram": self._gram}
        for name, held in own.items():
            if not isinstance(found := state.get(name), Tensor) or found.shape != held.shape:
                got = tuple(found.shape) if isinstance(found, Tensor) else kind(found)
                raise ValueError(f"state: expected {name} of shape {tuple(held.shape)}, got {got}")
        if not isinstance(state.get("count"), int):
            raise ValueError(f"state: expected count, a whole number, got {kind(state.get('count'))}")
        self._rows.copy_(state["rows"])
        self._gram.copy_(state["gram"])
        self._count = state["count"]

    @checked()
    def basis(
        self, rank: int, *, allow_fewer: bool = False, smallest_share: float | None = None
    ) -> Float[Tensor, "found params"]:
        """Top ``rank`` right singular vectors of the last W rows, orthonormal.

        With ``allow_fewer``, rows that determine fewer directions give a basis of these directions; rows of zeros give
        none. ``smallest_share`` replaces the rule of the bound: directions are taken down to this share of the largest
        singular value, however far rounding turns them.

        Raises
        ------
        ValueError
            The window is not whole yet, rank exceeds it, or its rows determine fewer than ``rank`` directions.
        """
        if not self.is_whole:
            raise ValueError(f"the history holds {self._count} rows of a window of {len(self._rows)}")
        if not 1 <= rank <= len(self._rows):
            raise ValueError(f"rank must be between 1 and window = {len(self._rows)}, got {rank}")
        eigenvalues, eigenvectors = torch.linalg.eigh(self._gram.cpu())
        singular_values = eigenvalues.clamp(min=0).sqrt().flip(0)
        bound = self._bound(singular_values)
        if smallest_share is not None:
            bound = torch.zeros_like(bound).where(singular_values > smallest_share * singular_values[0], math.inf)
        if not allow_fewer:
            require_rank(bound, singular_values, rank, f"the last {len(self._rows)} rows")
        kept = determined(bound)[:rank]
        left = eigenvectors.flip(1)[:, :rank][:, kept]
        coefficients = (left / eigenvalues.flip(0)[:rank][kept].sqrt()).T
        require_finite(coefficients=coefficients.to(self._rows))
        found = coefficients.to(self._rows) @ self._rows
        return orthonormal(found, out=found)

    def _bound(self, singular_values: Float64[Tensor, " window"]) -> Float64[Tensor, " window"]:
        return error_bound(singular_values, self._rows.dtype, self._products, size=self._rows.shape[1])


@checked()
def overlap(first: Float[Tensor, "rank params"], second: Float[Tensor, "rank params"]) -> Float64[Tensor, ""]:
    """Mean principal cosine between two bases; 1: the same subspace, 0: orthogonal subspaces.

    Raises
    ------
    ValueError
        A basis has no dimension, is not finite, or not orthonormal.

    Examples
    --------
    >>> float(overlap(torch.eye(3)[:2], torch.eye(3)[1:]))  # two planes that share an axis
    0.5
    """
    if not (len(first) and len(second)):
        raise ValueError(f"an overlap needs two bases of at least one dimension, got {len(first)} and {len(second)}")
    products = inner_products(first, second, first.dtype)
    require_finite(first=first, second=second, products_of_first_and_second=products)
    require_orthonormal(first, "first")
    require_orthonormal(second, "second")
    return torch.linalg.svdvals(products.cpu()).mean()


@checked()
def principal_angles(
    first: Float[Tensor, "first params"], second: Float[Tensor, "second params"]
) -> Float64[Tensor, " angles"]:
    r"""Angles between the spans of two orthonormal bases in degrees, ascending: one for each row of the smaller basis.

    :math:`\arccos \sigma_i(V_1 V_2^\top)`; angles below about 0.03° are lost in float32.

    Raises
    ------
    ValueError
        A basis is not finite, or not orthonormal.

    Examples
    --------
    >>> principal_angles(torch.eye(3)[:2], torch.eye(3)[1:]).tolist()  # two planes that share an axis
    [0.0, 90.0]
    """
    require_finite(first=first, second=second)
    require_orthonormal(first, "first")
    require_orthonormal(second, "second")
    cosines = torch.linalg.svdvals(inner_products(first, second, torch.float64).cpu())
    return cosines.clamp(max=1).arccos().rad2deg()
