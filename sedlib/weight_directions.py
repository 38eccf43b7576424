r"""Directions that a checkpoint's weight matrices name themselves: outer products of their singular vectors.

A matrix :math:`W = \sum_i \sigma_i u_i v_i^\top` names the directions :math:`u_i v_i^\top` in the space of its entries,
orthonormal for different i. One checkpoint has them; no trajectory is needed. The scripts released with a paper take
the top three of each attention matrix, where its text has principal components of the trajectory.

Source: the scripts of arXiv 2602.16746.

Shapes: θ is ``[params]``, all parameters of a network. A basis has orthonormal rows ``[directions, params]``.

Units: θ is in the unit of the parameters; directions have none.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.border.checked import checked
from sedlib.base.finite import require_finite
from sedlib.vectors import ParamLayout


class UndeterminedError(ValueError):
    """A matrix has too low a rank to determine as many singular directions."""


@checked(layout="ParamLayout.select(module, …) makes one")
def singular_basis(
    theta: Float[Tensor, " params"], layout: ParamLayout, matrices: Mapping[str, slice], rank: int = 3
) -> Float[Tensor, "directions params"]:
    r"""Outer products :math:`u v^\top` of each matrix's top ``rank`` singular vectors, as vectors of all parameters.

    ``matrices`` are columns of ``theta`` (sedlib.blocks.blocks), no two of which overlap, each whole rows of one
    parameter of ``layout``. The SVDs are computed in float64; an outer product has no sign to choose.

    Raises
    ------
    ValueError
        Two matrices overlap, or one is no whole rows of one parameter; or θ is not finite, or not of the layout's size.
    UndeterminedError
        A matrix has a rank below ``rank``, up to rounding.

    Examples
    --------
    >>> layout = ParamLayout(("first", "second"), ((2, 2), (2, 3)))
    >>> theta = torch.tensor([3.0, 0, 0, 2.0, 0, 0, 7.0, 0, 5.0, 0])  # [[3, 0], [0, 2]] and [[0, 0, 7], [0, 5, 0]]
    >>> basis = singular_basis(theta, layout, {"first": slice(0, 4), "second": slice(4, 10)}, rank=1)
    >>> basis.abs().round().int().tolist()  # of each matrix, its largest entry
    [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]]
    """
    if rank < 1 or not matrices:
        raise ValueError(f"expected a rank of at least 1 and a matrix, got rank {rank} and {len(matrices)} matrices")
    if len(theta) != layout.size:
        raise ValueError(f"theta: expected the {layout.size:,} parameters of the layout, got {len(theta):,}")
    require_finite(theta=theta)
    lengths = {name: _row_length(layout, name, block) for name, block in matrices.items()}
    in_order = sorted(matrices, key=lambda name: matrices[name].start)
    for first, second in pairwise(in_order):
        if matrices[first].stop > matrices[second].start:
            raise ValueError(f"matrices {first!r} and {second!r} overlap: {matrices[first]} and {matrices[second]}")
    basis = torch.zeros(rank * len(matrices), len(theta), dtype=theta.dtype, device=theta.device)
    for index, (name, block) in enumerate(matrices.items()):
        matrix = theta[block].reshape(-1, lengths[name])
        basis[index * rank : (index + 1) * rank, block] = _outer_products(matrix, name, rank).to(basis)
    return basis


def _outer_products(matrix: Tensor, name: str, rank: int) -> Float[Tensor, "rank entries"]:
    left, sizes, right = torch.linalg.svd(matrix.double().cpu(), full_matrices=False)
    smallest = max(matrix.shape) * torch.finfo(matrix.dtype).eps * sizes[0]
    if (known := int((sizes > smallest).sum())) < rank:
        raise UndeterminedError(
            f"matrix {name!r} of shape {tuple(matrix.shape)} determines {known} of {rank} singular directions"
        )
    return torch.einsum("ir,rj->rij", left[:, :rank], right[:rank]).flatten(1)


def _row_length(layout: ParamLayout, name: str, block: slice) -> int:
    """Entries in a row of the parameter that the block lies in."""
    if block.step is not None or None in (block.start, block.stop):
        raise ValueError(f"matrix {name!r}: expected a slice with a start and a stop and no step, got {block}")
    start = 0
    for parameter, shape, size in zip(layout.names, layout.shapes, layout.sizes, strict=True):
        if start <= block.start < start + size:
            length = prod(shape[1:])
            is_whole = block.stop <= start + size and not (block.start - start) % length
            if not is_whole or block.stop <= block.start or (block.stop - block.start) % length:
                raise ValueError(
                    f"matrix {name!r}: expected whole rows of {length} entries of {parameter!r} in columns {start} to "
                    f"{start + size}, got {block}"
                )
            return length
        start += size
    raise ValueError(f"matrix {name!r}: expected columns of the {layout.size:,} parameters, got {block}")
